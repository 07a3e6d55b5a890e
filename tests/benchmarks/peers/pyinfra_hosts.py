"""pyinfra's inventory: what ``hosts.json`` in the work directory says."""

import os
from pathlib import Path

from tests.benchmarks.endpoints import Work

_work = Work(Path(os.environ["BENCH_WORK"]))
bench = [
    (
        host.name,
        {
            "ssh_hostname": host.address,
            "ssh_port": host.port,
            "ssh_user": "root",
            "ssh_key": _work.key,
            "ssh_known_hosts_file": _work.known_hosts,
            "ssh_strict_host_key_checking": "yes",
            "ssh_config_file": "/dev/null",
        },
    )
    for host in _work.read_hosts()
]
