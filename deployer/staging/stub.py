"""What stands in for the servers behind nginx in staging: one process, listening in all its hosts.

Run as ``python -m deployer.staging.stub SPEC``, in the pid namespace of one of the hosts, so that it goes
with the fleet. Its sockets are made in the hosts' own networks, while what is passed
on leaves from this machine's. It says ``ready`` and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import base64
import ctypes
import json
import os
import socket
import ssl
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

_CLONE_NEWNET = 0x40000000
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78  # linux/in.h, linux/in6.h
MOST_HEAD = 1 << 16
WITHIN_S = 30.0
_TEXT = b"an answer of staging: what production has here was not copied\n"
_EMPTY = frozenset((204, 304))

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter


@dataclass(frozen=True)
class Said:
    """One answer."""

    status: int
    location: str | None
    kind: str
    body: bytes | None
    headers: tuple[tuple[str, str], ...]


class Answers:
    """What one server answers: as it was recorded, else like its first page, else 200."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._status: int | None = spec.get("status")
        self._exact: dict[tuple[str, str | None], Said] = {}
        self._any: dict[str | None, Said] = {}
        for name, path, status, location, kind, body, headers in spec.get("rules", ()):
            content = None if body is None else base64.b64decode(body)
            said = Said(status, location, kind, content, tuple((n, v) for n, v in headers))
            if content is not None or (name, path) not in self._exact:
                self._exact[name, path] = said
            if content is not None or path not in self._any:
                self._any[path] = said

    def to(self, name: str, path: str) -> Said:
        """The answer to a path asked under a name."""
        if self._status is not None:
            return Said(self._status, None, "", None, ())
        path = path.partition("?")[0]
        known = self._exact.get((name, path)) or self._any.get(path)
        if known is not None:
            return known
        first = self._exact.get((name, "/")) or self._exact.get((name, None)) or self._any.get("/")
        if first is not None and first.status < 400:
            return Said(200 if first.status >= 300 else first.status, None, first.kind, None, ())
        return first or Said(200, None, "", None, ())


def response(said: Said, *, version: bytes = b"HTTP/1.1 ", head: bool = False) -> bytes:
    """An answer as it goes over the wire; ``version=b"Status: "`` for CGI."""
    body = b"" if said.status in _EMPTY else _TEXT if said.body is None else said.body
    lines = [version + str(said.status).encode() + b" Staging"]
    lines += [f"{name}: {value}".encode("utf-8", "replace") for name, value in said.headers]
    given = {name.lower() for name, _ in said.headers}
    if "content-type" not in given:
        lines.append(b"Content-Type: " + (said.kind or "text/plain").encode())
    if said.location and "location" not in given:
        lines.append(b"Location: " + said.location.encode())
    lines += [f"Content-Length: {len(body)}".encode(), b"Connection: close", b"", b""]
    return b"\r\n".join(lines) + (b"" if head else body)


async def http(answers: Answers, reader: Reader, writer: Writer) -> None:
    """Answer one request in HTTP/1."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, target, *_ = [*first.split(" "), "/"]
    headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
    size = headers.get("content-length", "0")
    await _drained(reader, int(size) if size.isdigit() else 0)
    name = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
    writer.write(response(answers.to(name.lower(), target), head=method == "HEAD"))


async def fastcgi(answers: Answers, reader: Reader, writer: Writer) -> None:
    """Answer one request in FastCGI."""
    params = b""
    while True:
        kind, number, size, padding = struct.unpack(">xBHHBx", await reader.readexactly(8))
        content = (await reader.readexactly(size + padding))[:size]
        if kind == 4:  # FCGI_PARAMS
            params += content
        elif kind == 5 and not size:  # the end of FCGI_STDIN
            break
    out = response(_by_params(answers, _pairs(params)), version=b"Status: ")
    for at in range(0, len(out), 0xFFF8):
        part = out[at : at + 0xFFF8]
        writer.write(struct.pack(">BBHHBB", 1, 6, number, len(part), 0, 0) + part)
    writer.write(struct.pack(">BBHHBB", 1, 6, number, 0, 0, 0))
    writer.write(struct.pack(">BBHHBB", 1, 3, number, 8, 0, 0) + bytes(8))


async def uwsgi(answers: Answers, reader: Reader, writer: Writer) -> None:
    """Answer one request in uwsgi's protocol."""
    _, size, _ = struct.unpack("<BHB", await reader.readexactly(4))
    raw, at, params = await reader.readexactly(size), 0, {}
    while at + 2 <= len(raw):
        words = []
        for _ in range(2):
            (length,) = struct.unpack_from("<H", raw, at)
            words.append(raw[at + 2 : at + 2 + length].decode("latin-1"))
            at += 2 + length
        params[words[0]] = words[1]
    await _drained(reader, int(params.get("CONTENT_LENGTH") or 0))
    writer.write(response(_by_params(answers, params)))


async def scgi(answers: Answers, reader: Reader, writer: Writer) -> None:
    """Answer one request in SCGI."""
    size = int((await reader.readuntil(b":"))[:-1])
    words = (await reader.readexactly(size + 1))[:-1].decode("latin-1").split("\0")
    params = dict(zip(words[::2], words[1::2], strict=False))
    await _drained(reader, int(params.get("CONTENT_LENGTH") or 0))
    writer.write(response(_by_params(answers, params), version=b"Status: "))


async def tcp(_: Answers, reader: Reader, writer: Writer) -> None:
    """Take a connection and say nothing, as most protocols do that wait for the client."""
    while await reader.read(MOST_HEAD):
        pass
    writer.close()


PROTOCOLS: Mapping[str, Callable[[Answers, Reader, Writer], Awaitable[None]]] = {
    "http": http,
    "fastcgi": fastcgi,
    "uwsgi": uwsgi,
    "scgi": scgi,
    "tcp": tcp,
}


def dns_answer(query: bytes, names: Mapping[str, str]) -> bytes | None:
    """What a resolver is told: the address of a known name, else that there is none."""
    if len(query) < 17:
        return None
    at, labels = 12, []
    while at < len(query) and query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    question = query[12 : at + 5]
    if at + 5 > len(query):
        return None
    address = names.get(".".join(labels).lower())
    wanted = address is not None and question[-4:-2] == b"\0\x01"
    code = 0x8180 if address is not None else 0x8183
    head = query[:2] + struct.pack(">HHHHH", code, 1, int(wanted), 0, 0)
    if not wanted or address is None:
        return head + question
    return head + question + b"\xc0\x0c\0\1\0\1\0\0\0\x05\0\4" + socket.inet_aton(address)


class _Dns(asyncio.DatagramProtocol):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if (answer := dns_answer(data, self._names)) is not None:
            self._transport.sendto(answer, addr)


async def _passed_on(to: str, reader: Reader, writer: Writer) -> None:
    host, _, port = to.rpartition(":")
    there, back = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), WITHIN_S)

    async def copy(source: Reader, target: Writer) -> None:
        with suppress(OSError):
            while data := await source.read(MOST_HEAD):
                target.write(data)
                await target.drain()
            if target.can_write_eof():
                target.write_eof()

    try:
        await asyncio.gather(copy(reader, back), copy(there, writer))
    finally:
        back.close()


async def _drained(reader: Reader, size: int) -> None:
    while size > 0:
        data = await reader.read(min(size, MOST_HEAD))
        if not data:
            return
        size -= len(data)


def _by_params(answers: Answers, params: Mapping[str, str]) -> Said:
    name = params.get("HTTP_HOST") or params.get("SERVER_NAME") or ""
    path = params.get("REQUEST_URI") or params.get("DOCUMENT_URI") or params.get("SCRIPT_NAME") or "/"
    return answers.to((name.rpartition(":")[0] or name).lower(), path)


def _pairs(raw: bytes) -> dict[str, str]:
    """FastCGI's name-value pairs: lengths of one byte, or of four when the highest bit is set."""
    at, found = 0, {}
    while at < len(raw):
        sizes = []
        for _ in range(2):
            if raw[at] & 0x80:
                sizes.append(struct.unpack_from(">I", raw, at)[0] & 0x7FFFFFFF)
                at += 4
            else:
                sizes.append(raw[at])
                at += 1
        name = raw[at : at + sizes[0]].decode("latin-1")
        found[name] = raw[at + sizes[0] : at + sum(sizes)].decode("latin-1")
        at += sum(sizes)
    return found


def listening(spec: Mapping[str, Any], pids: Mapping[str, int]) -> socket.socket:
    """The socket of one listener, made in the network of its host.

    :param spec: ``host``, and ``address`` with ``port``, or ``unix``, a path as that host sees it.
    :raises OSError: it cannot be had there.
    """
    _enter(f"/proc/{pids[spec['host']]}/ns/net")
    if path := spec.get("unix"):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # By its own network and path there, or whoever looks for sockets on that host would not find it.
        with _inside(f"/proc/{pids[spec['host']]}/root"):
            sock.bind(path)
            Path(path).chmod(0o666)
    else:
        family = socket.AF_INET6 if ":" in spec["address"] else socket.AF_INET
        sort = socket.SOCK_DGRAM if spec["protocol"] == "dns" else socket.SOCK_STREAM
        sock = socket.socket(family, sort)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET:
            sock.setsockopt(socket.SOL_IP, _IP_FREEBIND, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        sock.bind((spec["address"], spec["port"]))
    if spec["protocol"] != "dns":
        sock.listen(128)
    sock.setblocking(False)
    return sock


@contextmanager
def _inside(root: str) -> Iterator[None]:
    """Meanwhile paths are those of another root."""
    own = os.open("/", os.O_RDONLY)
    try:
        os.chroot(root)
        yield
    finally:
        os.fchdir(own)
        os.chroot(".")
        os.close(own)


def _enter(network: str) -> None:
    """Let what is opened from now on be in that network. Python has no setns before 3.12."""
    handle = os.open(network, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(handle)


async def _serve(spec: Mapping[str, Any], sock: socket.socket, names: Mapping[str, str], tls: Any) -> Any:
    if spec["protocol"] == "dns":
        loop = asyncio.get_running_loop()
        return await loop.create_datagram_endpoint(lambda: _Dns(names), sock=sock)
    answers, speak = Answers(spec), PROTOCOLS[spec["protocol"]]

    async def one(reader: Reader, writer: Writer) -> None:
        with suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError, TimeoutError, struct.error):
            if spec.get("to"):
                await _passed_on(spec["to"], reader, writer)
            else:
                await asyncio.wait_for(speak(answers, reader, writer), WITHIN_S)
                await writer.drain()
        writer.close()

    # What is passed on goes as it comes, so the other side speaks TLS where nginx does.
    context = tls if spec.get("tls") and not spec.get("to") else None
    return await asyncio.start_server(one, sock=sock, ssl=context, limit=MOST_HEAD)


async def _main(document: Mapping[str, Any]) -> None:
    tls = None
    if document.get("certificate"):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(document["certificate"], document["key"])
    held, failed = [], []
    for spec in document["listeners"]:
        try:
            sock = listening(spec, document["pids"])
        except OSError as error:
            failed.append(f"{spec['written']}: {error.strerror}")
            continue
        held.append((spec, sock))
    _enter("/proc/self/ns/net" if not document.get("home") else document["home"])
    serving = [await _serve(spec, sock, document["names"], tls) for spec, sock in held]
    sys.stdout.write(json.dumps({"ready": len(serving), "failed": failed}) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main(path: str) -> None:
    """Serve what a file says."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    document = json.loads(Path(path).read_text())
    asyncio.run(_main({**document, "home": f"/proc/self/fd/{own}"}))


if __name__ == "__main__":
    main(sys.argv[1])
