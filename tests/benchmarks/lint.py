"""What the lint costs at 5,000 sites: ``python -m tests.benchmarks.lint [SITES]``.

The parser alone is ngxparse as its users call it, on the same files; the limit is twice its time.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import crossplane

from deployer.lint.findings import lint
from deployer.lint.rules.subject import Subject
from deployer.nginx.configuration import Config, parse

SITES, ROUNDS, LIMIT = 5000, 3, 2.0
MAIN = "events {}\nhttp {\n    include mime.types;\n    upstream app { server 10.0.0.1:8080; }\n%s}\n"
SITE = """\
server {{
    listen 80;
    server_name site{0}.example.com www.site{0}.example.com;
    root /srv/www/site{0};
    access_log /var/log/nginx/site{0}.log;
    location / {{
        try_files $uri $uri/ @app;
    }}
    location /api/ {{
        proxy_set_header Host $host;
        proxy_read_timeout 30s;
        proxy_pass http://app;
    }}
    location ~ \\.(png|css|js)$ {{
        expires 30d;
    }}
    location @app {{
        proxy_set_header Host $host;
        proxy_pass http://app;
    }}
}}
"""


def main(sites: int) -> int:
    """Print the table; 1 when it took longer than twice the parser."""
    files = {f"sites/{n}.conf": SITE.format(n).encode() for n in range(sites)}
    files |= {
        "nginx.conf": (MAIN % "    include sites/*.conf;\n").encode(),
        "mime.types": b"types { a b; }\n",
    }
    with tempfile.TemporaryDirectory() as directory:
        for name, content in files.items():
            path = Path(directory, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        options = {"combine": True, "check_ctx": False, "check_args": False}
        parser_s = best(lambda: crossplane.parse(f"{directory}/nginx.conf", **options))
    config: Config = parse(files)
    reading_s = best(lambda: parse(files))
    whole_s = best(lambda: lint(Subject(parse(files), preserve=())))
    found = lint(Subject(config, preserve=()))
    sys.stdout.write(
        f"{sites} sites, {sum(1 for _ in config.walk())} directives, {len(found)} finding(s),"
        f" best of {ROUNDS}\n"
        f"  parser alone            {parser_s:6.2f} s\n"
        f"  our reading             {reading_s:6.2f} s\n"
        f"  reading and all rules   {whole_s:6.2f} s = {whole_s / parser_s:.2f} × the parser, limit {LIMIT}\n"
    )
    return 0 if whole_s <= LIMIT * parser_s else 1


def best(work: Callable[[], object]) -> float:
    """Seconds of the quickest of some rounds."""
    times = []
    for _ in range(ROUNDS):
        gc.collect()
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else SITES))
