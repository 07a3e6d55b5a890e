"""What stands in for servers, asked by real clients."""

from __future__ import annotations

import asyncio
import base64
import socket
import struct
import threading
from collections.abc import Callable

import pytest

from deployer.staging import stub

RULES = [
    ["shop.example.com", "/", 200, None, "text/html", None, []],
    ["shop.example.com", "/old", 301, "https://shop.example.com/new", "", None, []],
    ["api.example.com", "/", 401, None, "", None, []],
    [
        "shop.example.com",
        "/page",
        200,
        None,
        "text/html",
        base64.b64encode(b"shop").decode(),
        [["X-Served-By", "a"]],
    ],
]
Parts = tuple[int, dict[str, str], bytes]


def answered(protocol: str, request: bytes, spec: dict[str, object] | None = None) -> bytes:
    """Everything that a listener says to a request."""

    async def run() -> bytes:
        sock = socket.create_server(("127.0.0.1", 0))
        listener = {"protocol": protocol, "rules": RULES, **(spec or {})}
        server = await stub._serve(listener, sock, {}, None)
        async with server:
            reader, writer = await asyncio.open_connection(*sock.getsockname())
            writer.write(request)
            data = await asyncio.wait_for(reader.read(), 20)
            writer.close()
            return data

    return asyncio.run(run())


def http(path: str, name: str = "shop.example.com", method: str = "GET", body: bytes = b"") -> Parts:
    head = f"{method} {path} HTTP/1.0\r\nHost: {name}\r\nContent-Length: {len(body)}\r\n\r\n"
    return parts(answered("http", head.encode() + body))


def parts(raw: bytes) -> Parts:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split(" ")[1]), {n.lower(): v for n, v in headers.items()}, body


def test_answers_are_those_of_production_by_name_and_path() -> None:
    status, headers, body = http("/")
    assert (status, headers["content-type"]) == (200, "text/html")
    assert b"staging" in body
    status, headers, _ = http("/old?x=1")
    assert (status, headers["location"]) == (301, "https://shop.example.com/new")
    assert http("/", "api.example.com")[0] == 401
    assert http("/never-asked", "api.example.com")[0] == 401  # as its first page
    assert http("/never-asked")[0] == 200
    status, headers, body = http("/page")
    assert (status, headers["x-served-by"], body) == (200, "a", b"shop")
    assert http("/page", method="HEAD")[2] == b""
    assert http("/", method="POST", body=b"x" * 300_000)[0] == 200
    fixed = answered("http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", {"status": 503})
    assert parts(fixed)[0] == 503


def pair(name: str, value: str) -> bytes:
    return bytes((len(name), len(value))) + (name + value).encode()


def fastcgi(params: bytes) -> bytes:
    begin = struct.pack(">BBHHBB", 1, 1, 1, 8, 0, 0) + struct.pack(">HB5x", 1, 0)
    sent = struct.pack(">BBHHBB", 1, 4, 1, len(params), 0, 0) + params
    return begin + sent + struct.pack(">BBHHBB", 1, 4, 1, 0, 0, 0) + struct.pack(">BBHHBB", 1, 5, 1, 0, 0, 0)


def uwsgi(words: dict[str, str]) -> bytes:
    raw = b"".join(struct.pack("<H", len(w)) + w.encode() for item in words.items() for w in item)
    return struct.pack("<BHB", 0, len(raw), 0) + raw


def scgi(words: dict[str, str]) -> bytes:
    raw = b"".join(w.encode() + b"\0" for item in words.items() for w in item)
    return str(len(raw)).encode() + b":" + raw + b","


ASKED = {"HTTP_HOST": "shop.example.com:80", "REQUEST_URI": "/old?x"}


@pytest.mark.parametrize(
    ("protocol", "request_", "unwrap"),
    [
        ("fastcgi", fastcgi(b"".join(pair(*item) for item in ASKED.items())), lambda raw: raw[8:]),
        ("uwsgi", uwsgi({"CONTENT_LENGTH": "0", **ASKED}), bytes),
        ("scgi", scgi({"CONTENT_LENGTH": "0", **ASKED}), bytes),
    ],
)
def test_other_protocols(protocol: str, request_: bytes, unwrap: Callable[[bytes], bytes]) -> None:
    status, headers, _ = parts(unwrap(answered(protocol, request_)))
    assert (status, headers["location"]) == (301, "https://shop.example.com/new")


def test_what_the_playbook_points_elsewhere_is_passed_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:

        def serve() -> None:
            connection, _ = there.accept()
            with connection:
                connection.sendall(b"got " + connection.recv(100))

        threading.Thread(target=serve, daemon=True).start()
        host, port = there.getsockname()
        assert answered("http", b"ping", {"to": f"{host}:{port}"}) == b"got ping"


def query(name: str, kind: int) -> bytes:
    labels = b"".join(bytes((len(part),)) + part.encode() for part in name.split("."))
    return struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


def test_a_resolver_knows_the_names_of_upstreams_and_no_others() -> None:
    names = {"app.internal": "100.127.0.1"}
    known = stub.dns_answer(query("App.internal", 1), names)
    assert known is not None
    assert (known[:2], known[3] & 15, known[-4:]) == (b"\0\7", 0, socket.inet_aton("100.127.0.1"))
    six = stub.dns_answer(query("app.internal", 28), names)
    assert six is not None
    assert (six[3] & 15, struct.unpack(">H", six[6:8])[0]) == (0, 0)
    unknown = stub.dns_answer(query("app.internul", 1), names)
    assert unknown is not None
    assert unknown[3] & 15 == 3
    assert stub.dns_answer(b"x", names) is None
    assert stub.dns_answer(b"\xff" * 40, names) is None
