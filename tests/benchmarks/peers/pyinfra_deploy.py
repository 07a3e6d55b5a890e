"""pyinfra: bring the tree, or only the file it is told of, then test, reload and ask the site once."""

import os
from pathlib import Path

from pyinfra.operations import files, server

from tests.benchmarks.endpoints import SITE_PORT, Work

_work = Work(Path(os.environ["BENCH_WORK"]))

if os.environ["BENCH_TREE"] == "yes":
    # The links of sites-enabled are absolute and lead nowhere on the controller: sync reads through them.
    files.sync(name="the tree", src=str(_work.tree), dest="/etc/nginx", exclude="*sites-enabled/*")
else:
    site = "conf.d/bench.conf"
    files.put(name="the changed file", src=str(_work.tree / site), dest=f"/etc/nginx/{site}")
server.shell(
    name="test, reload, ask",
    commands=["nginx -t", "nginx -s reload", f"busybox wget -q -O /dev/null http://127.0.0.1:{SITE_PORT}/"],
)
