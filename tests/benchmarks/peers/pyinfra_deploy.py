"""pyinfra: the one changed file, then test, reload and ask the site once."""

import os
from pathlib import Path

from pyinfra.operations import files, server

from tests.benchmarks.endpoints import SITE_PORT, Work

_work = Work(Path(os.environ["BENCH_WORK"]))

files.put(
    name="the changed file", src=str(_work.tree / "conf.d/bench.conf"), dest="/etc/nginx/conf.d/bench.conf"
)
server.shell(
    name="test, reload, ask",
    commands=["nginx -t", "nginx -s reload", f"busybox wget -q -O /dev/null http://127.0.0.1:{SITE_PORT}/"],
)
