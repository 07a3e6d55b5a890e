"""What a lab gives to try things with: an nginx tree in git, an inventory, a playbook, an ssh config."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

_COPIED = (
    "mime.types", "fastcgi.conf", "fastcgi_params", "scgi_params", "uwsgi_params", "proxy_params",
    "koi-utf", "koi-win", "win-utf", "snippets/fastcgi-php.conf", "snippets/snakeoil.conf",
)  # fmt: skip
_NGINX_CONF = """\
user www-data;
# Debian says "auto"; a lab of a hundred hosts on one machine needs a number.
worker_processes 2;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
include /etc/nginx/modules-enabled/*.conf;

events {
	worker_connections 768;
}

http {
	sendfile on;
	tcp_nopush on;
	types_hash_max_size 2048;

	include /etc/nginx/mime.types;
	default_type application/octet-stream;

	ssl_prefer_server_ciphers on;

	access_log /var/log/nginx/access.log;

	gzip on;

	include /etc/nginx/conf.d/*.conf;
	include /etc/nginx/sites-enabled/*;
}
"""
_LIMITS = """\
# So wide that nobody meets it; what matters is that the zone is there, and cannot change its key on a reload.
limit_req_zone $binary_remote_addr zone=shop:1m rate=5000r/s;
"""
_DEFAULT = """\
server {
	listen 80 default_server;
	listen [::]:80 default_server;

	root /var/www/html;
	index index.html index.htm index.nginx-debian.html;

	server_name _;

	location / {
		try_files $uri $uri/ =404;
	}
}
"""


def shop(text: str = "shop 1", status: int = 200) -> str:
    """The shop's site, answering ``status`` and ``text``; its application is a server of the same nginx."""
    return f"""\
upstream shop_app {{
	server 127.0.0.1:8081;
}}

server {{
	listen 80;
	listen [::]:80;
	server_name shop.example.com;

	location / {{
		limit_req zone=shop burst=5000 nodelay;
		proxy_pass http://shop_app;
	}}
}}

server {{
	listen 127.0.0.1:8081;
	server_name shop_app;
	access_log off;
	default_type text/plain;

	location / {{
		return {status} "{text}\\n";
	}}
}}
"""


def make_tree(tree: Path) -> None:
    """Write the nginx tree: Debian's default layout with its absolute includes, and the shop beside it."""
    for folder in ("conf.d", "sites-available", "sites-enabled", "snippets"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    for name in _COPIED:
        source = Path("/etc/nginx", name)
        if source.is_file():
            shutil.copyfile(source, tree / name)
    if not (tree / "mime.types").exists():
        (tree / "mime.types").write_text("types {\n\ttext/html html;\n\ttext/plain txt;\n}\n")
    (tree / "nginx.conf").write_text(_NGINX_CONF)
    (tree / "conf.d/limits.conf").write_text(_LIMITS)
    (tree / "sites-available/default").write_text(_DEFAULT)
    (tree / "sites-available/shop.example.com").write_text(shop())
    for site in ("default", "shop.example.com"):
        (tree / "sites-enabled" / site).symlink_to(f"/etc/nginx/sites-available/{site}")


def git(repo: Path, *args: str, timeout_s: float = 30.0) -> str:
    """Run git in ``repo`` with the lab's own identity and nobody's settings; its output, stripped."""
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "lab", "GIT_AUTHOR_EMAIL": "lab@example.com",
        "GIT_COMMITTER_NAME": "lab", "GIT_COMMITTER_EMAIL": "lab@example.com",
    }  # fmt: skip
    argv = ["git", "-c", "init.defaultBranch=main", "-c", "core.hooksPath=/dev/null", *args]
    done = subprocess.run(
        argv, cwd=repo, env=env, capture_output=True, text=True, timeout=timeout_s, check=True
    )
    return done.stdout.strip()


def make_repo(repo: Path) -> None:
    """A working repository with the tree as one commit on ``main``."""
    repo.mkdir(parents=True)
    make_tree(repo)
    git(repo, "init", "--quiet")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message", "The shop as it stands")


def commit(repo: Path, message: str) -> str:
    """Commit everything that changed in the working tree; the new commit's full hash."""
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(repo, "rev-parse", "HEAD")


def inventory(hosts: Iterable[tuple[str, str]]) -> str:
    """The text of an Ansible inventory for ``(name, address)`` pairs."""
    lines = [f"    {name}: {{ansible_host: {address}}}" for name, address in hosts]
    return "\n".join(["web:", "  hosts:", *lines, "  vars:", "    ansible_user: root", ""])


def playbook(repo: Path) -> str:
    """The text of a playbook that deploys the sample repository, with patience cut short for a lab."""
    return f"""\
source:
  repo: {json.dumps(str(repo))}
  ref: main
target:
  directory: /etc/nginx
  preserve: ["modules-enabled/**"]
checks:
  - name: shop
    url: http://127.0.0.1/
    headers: {{Host: shop.example.com}}
    expect: {{status: 200, body: "^shop", within: 2s}}
health: {{deadline: 10s, interval: 50ms, consecutive: 3, bake: 0s}}
rollout:
  waves: [1, 100%]
"""


def ssh_config(hosts: Sequence[tuple[str, str]], *, key: Path, known_hosts: Path) -> str:
    """An ssh config in which nothing is taken on trust, for ``(patterns, address)`` pairs."""
    blocks = [
        f"""Host {patterns}
  HostName {address}
  Port 22
  User root
  IdentityFile "{key}"
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile "{known_hosts}"
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
"""
        for patterns, address in hosts
    ]
    return "\n".join(blocks)
