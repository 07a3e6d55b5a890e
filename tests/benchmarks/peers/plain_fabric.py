"""What people write: a Fabric script without any safety. Prints the seconds without the start-up.

Puts a tarball, unpacks it over the live directory, tests, reloads, asks the site once.
``plain_fabric WORK [PORT]``: the site's port, if it is another one than the benchmark's.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fabric import Config, Connection

from tests.benchmarks.endpoints import SITE_PORT, Endpoint, Work

THREADS = 20
TIMEOUT_S = 60


def main() -> None:
    work = Work(Path(sys.argv[1]))
    hosts = work.read_hosts()
    port = int(sys.argv[2]) if len(sys.argv) > 2 else SITE_PORT
    # No ssh config and no agent: neither has anything to say here, and both cost time.
    settings = {"load_ssh_configs": False, "run": {"hide": True, "in_stream": False}}

    def deploy(host: Endpoint) -> bool:
        config = Config(overrides=settings)  # one each: threads that share one see it half-built
        login = {"key_filename": work.key, "allow_agent": False, "look_for_keys": False}
        with Connection(host.address, "root", host.port, config, connect_kwargs=login) as connection:
            connection.client.load_host_keys(work.known_hosts)
            connection.open()
            connection.put(work.tarball, "/tmp/tree.tgz")
            connection.run("tar -xzf /tmp/tree.tgz -C /etc/nginx", timeout=TIMEOUT_S)
            connection.run("nginx -t", timeout=TIMEOUT_S)
            connection.run("nginx -s reload", timeout=TIMEOUT_S)
            return status(connection, port) == b"200"

    began = time.perf_counter()
    with ThreadPoolExecutor(min(THREADS, len(hosts))) as pool:
        if not all(pool.map(deploy, hosts)):
            sys.exit("the site does not answer 200 somewhere")
    print(f"inside={time.perf_counter() - began:.3f}")


def status(connection: Connection, port: int) -> bytes:
    """Status of one GET through the connection."""
    where = ("127.0.0.1", port)
    channel = connection.client.get_transport().open_channel("direct-tcpip", where, where, timeout=TIMEOUT_S)
    channel.settimeout(TIMEOUT_S)
    channel.sendall(b"GET / HTTP/1.0\r\nHost: bench\r\n\r\n")
    answer = b""
    while part := channel.recv(4096):
        answer += part
    return answer.split(b" ", 2)[1]


if __name__ == "__main__":
    main()
