"""Many small configurations, made at random, on a real nginx: each request ends where it was said to end."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from deployer.nginx.configuration import parse
from deployer.nginx.sites import Server, read
from deployer.nginx.tree import Directive
from deployer.nginx.way import Way, follow

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")]

SERVERS = 60
WORDS = ("a", "b", "c")
FILES = ("a/index.html", "a/b", "b/x.txt", "c", "x.txt", "b/index.htm")
PATTERNS = ("^/a(.*)$", "^/(.*)$", "b", "^/([ab])/(.*)", "txt$", "^/c/?$", "^/(?<word>[abc])$", "x+")
TARGETS = ("/b$1", "/c", "/a/$1?n=1", "/x.txt", "/$1/$2", "/b/", "/c/$uri", "/$arg_q?")
FLAGS = ("", "", "last", "last", "break", "redirect")
TESTS = ('$uri ~ "^/b(.*)"', "$arg_q", '$arg_q = "1"', '$request_uri !~ "x"', '$uri = "/a"', "$flag", "$word")
CODES = (200, 403, 404, 418, 503)


class Maker:
    """One server out of a seed."""

    def __init__(self, seed: int) -> None:
        self._any = random.Random(seed)  # noqa: S311 - no secret

    def server(self, number: int, names: int) -> str:
        self._names = names
        patterns = [self._location() for _ in range(self._any.randint(2, 5))]
        apart = {text.partition("{")[0].replace("^~ ", ""): text for text in patterns}
        locations = "".join(apart.values())
        locations += "".join(f"location @n{n} {{ {self._body(f'@n{n}', 1)} }}\n" for n in range(names))
        head = self._mark("server") + self._script(self._any.choice((0, 0, 1, 2))) + self._pages()
        return f"server {{ listen unix:SOCKET; server_name s{number}; {head}\n{locations} }}\n"

    def _location(self) -> str:
        word = self._any.choice(WORDS)
        where = self._any.choice(
            (
                "/",
                f"/{word}",
                f"/{word}/",
                f"= /{word}",
                f"^~ /{word}/",
                f"~ {word}$",
                "~* TXT$",
                "~ ^/(a)(.*)",
            )
        )
        inner = ""
        if self._any.random() < 0.2 and where.startswith("/"):
            inside = f"{where.rstrip('/')}/{self._any.choice(WORDS)}"
            kind = self._any.choice(("", "^~ ", "= "))
            inner = f"location {kind}{inside} {{ {self._body(f'{kind}{inside}', 1)} }} location ~ txt$ {{ {self._mark(f'{where} txt')} }}"  # noqa: E501
        return f"location {where} {{ {self._body(where, 2)} {inner} }}\n"

    def _body(self, name: str, most: int) -> str:
        tries = ""
        if self._any.random() < 0.3:
            last = self._any.choice(("/x.txt", "/c", "=404", "=403", *(f"@n{n}" for n in range(self._names))))
            tries = f"try_files {self._any.choice(('$uri', '$uri $uri/', '/b$uri'))} {last}; "
        return self._mark(name) + self._script(self._any.randint(0, most)) + tries + self._pages()

    def _mark(self, name: str) -> str:
        name = name.replace("$", "!")
        return f'add_header X-Where "{name}" always; add_header X-Uri "$uri" always; '

    def _pages(self) -> str:
        if self._any.random() > 0.25:
            return ""
        target = self._any.choice(("/x.txt", "/b", "=200 /c", *(f"@n{n}" for n in range(self._names))))
        more = self._any.choice(("", "", "recursive_error_pages on; "))
        return f"error_page {self._any.choice(CODES[1:])} 404 {target}; {more}"

    def _script(self, many: int, deep: int = 1) -> str:
        said = ""
        for _ in range(many):
            what = self._any.random()
            if what < 0.55:
                flag = self._any.choice(FLAGS)
                said += f"rewrite {self._any.choice(PATTERNS)} {self._any.choice(TARGETS)} {flag}; "
            elif what < 0.7 and deep:
                said += f"if ({self._any.choice(TESTS)}) {{ {self._script(1, 0)} }} "
            elif what < 0.8:
                said += f"set $flag {self._any.choice(('1', '$arg_q', '0'))}; "
            elif what < 0.95:
                text = self._any.choice(("", "", " said"))
                said += f"return {self._any.choice(CODES)}{text}; "
            else:
                said += "break; "
        return said


def paths() -> Sequence[str]:
    some = [
        "/",
        "/a",
        "/a/",
        "/a/b",
        "/b",
        "/b/",
        "/b/x.txt",
        "/c",
        "/c/",
        "/x.txt",
        "/d",
        "/a/b/c",
        "/y.TXT",
    ]
    return [f"{path}{query}" for path in some for query in ("", "?q=1")]


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@contextlib.contextmanager
def nginx(directory: Path, servers: str) -> Iterator[Path]:
    sock = directory / "s"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temp = "".join(f"{kind}_temp_path {directory}/{kind};" for kind in kinds)
    conf = directory / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    conf.write_text(
        f"daemon off; {user} worker_processes 1; pid {directory}/pid; error_log {directory}/error.log crit;\n"
        f"events {{ }}\nhttp {{ access_log off; {temp} {servers.replace('SOCKET', str(sock))} }}\n"
    )
    argv = ["nginx", "-p", str(directory), "-c", str(conf)]
    tested = subprocess.run([*argv, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    sock.unlink(missing_ok=True)
    process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not listens(sock):  # its name is there before it listens
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield sock
    finally:
        process.terminate()
        process.wait(20)


class Asking(http.client.HTTPConnection):
    """Over the socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


def where(way: Way) -> str:
    if way.location is None:
        return "server"
    mark = next(d for d in way.location.directive.all("add_header") if d.args[0] == "X-Where")
    return mark.args[1]


def same(way: Way, answer: http.client.HTTPResponse) -> bool:
    if answer.status == 500 or way.status == 500:
        return answer.status == way.status == 500
    return where(way) == answer.headers.get("X-Where")


def test_a_request_ends_where_nginx_ends_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    text = f"root {root}; variables_hash_max_size 4096; server_names_hash_max_size 4096;"
    text += "".join(Maker(number).server(number, number % 3) for number in range(SERVERS))
    config = parse({"nginx.conf": f"events {{ }}\nhttp {{ {text} }}\n".encode()})
    assert not config.problems

    def there(_: Sequence[Directive], path: str) -> bool:
        found = root / path.lstrip("/")
        return found.is_dir() if path.endswith("/") else found.is_file()

    def ways(server: Server) -> Iterator[tuple[str, Way]]:
        return ((path, follow(config, server, path, {"flag": "", "word": ""}, there)) for path in paths())

    servers, wrong, missed, asked = text.split("server { listen")[1:], [], [], 0
    with nginx(tmp_path, text) as sock:
        asking = Asking(sock)
        for number, server in enumerate(read(config).servers):
            for path, way in ways(server):
                asking.request("GET", path, headers={"Host": f"s{number}"})
                answer = asking.getresponse()
                answer.read()
                asked += 1
                told = f"{path}: {where(way)}, but {answer.status} {answer.headers}of {servers[number]}"
                if way.sure and not same(way, answer):
                    wrong.append(told)
                blind = follow(config, server, path, {"flag": "", "word": ""})
                may = {where(blind), *(where(Way(x, "")) for x in blind.others)}
                known = not blind.sure or blind.status is not None or answer.status == 500
                if not known and answer.headers.get("X-Where") not in may:
                    missed.append(told)
    print(*wrong[:9], *missed[:3], sep="\n")
    assert asked == SERVERS * len(paths())
    assert not wrong, len(wrong)
    assert len(missed) * 200 < asked  # what may be is followed a few turns far
