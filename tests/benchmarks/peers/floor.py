"""The floor: log in and run ``true`` on every host. Prints the seconds without the start-up."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko

from tests.benchmarks.endpoints import Endpoint, Work

THREADS = 32
TIMEOUT_S = 30.0


def main() -> None:
    work = Work(Path(sys.argv[1]))
    hosts = work.read_hosts()

    def touch(host: Endpoint) -> int:
        with paramiko.SSHClient() as client:
            client.load_host_keys(work.known_hosts)
            client.connect(
                host.address,
                host.port,
                "root",
                key_filename=work.key,
                allow_agent=False,
                look_for_keys=False,
                timeout=TIMEOUT_S,
            )
            _, stdout, _ = client.exec_command("true", timeout=TIMEOUT_S)
            return stdout.channel.recv_exit_status()

    began = time.perf_counter()
    with ThreadPoolExecutor(min(THREADS, len(hosts))) as pool:
        if any(pool.map(touch, hosts)):
            sys.exit("true failed somewhere")
    print(f"inside={time.perf_counter() - began:.3f}")


if __name__ == "__main__":
    main()
