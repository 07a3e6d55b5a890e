"""What stands behind the nginx of the base: a storefront of two processes' worth, a service, reports, a wiki.

A program of its own, standard library only, started on the host: ``python3 app.py``. It behaves as such
programs do where nginx has to do its part: the storefront knows its own name, wants https, sets large cookies
and is slow at times; the orders service knows nothing outside ``/v1/``; the wiki runs the script it is told.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

RUN = Path("/run/orchard")
SHOP = "shop.orchard.example"
SLOW_S = 1.2
COOKIE_BYTES = 6000

Head = dict[str, str]
Answer = tuple[int, Head, bytes]
Handler = Callable[[str, Head], Awaitable[Answer]]
Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
REASONS = {101: "Switching Protocols", 200: "OK", 301: "Moved Permanently", 400: "Bad Request"}


async def storefront(target: str, head: Head) -> Answer:
    """A web application behind a proxy."""
    if head.get("host") != SHOP:
        return 400, {}, f"unknown host {head.get('host')}\n".encode()
    if head.get("x-forwarded-proto") != "https":
        return 301, {"Location": f"https://{SHOP}{target}"}, b""
    more: Head = {}
    if target.startswith("/live"):
        if head.get("upgrade") != "websocket" or "upgrade" not in head.get("connection", "").lower():
            return 426, {}, b"this is a websocket\n"
        return 101, {"Upgrade": "websocket", "Connection": "Upgrade"}, b""
    if target.startswith("/account/"):
        more["Set-Cookie"] = f"basket={'x' * COOKIE_BYTES}; Path=/account/"
    if target.startswith("/export/"):
        await asyncio.sleep(SLOW_S)
    client, customer = head.get("x-real-ip", "nobody"), head.get("cookie", "new")
    return 200, more, f"storefront path={target} client={client} customer={customer}\n".encode()


async def orders(target: str, _: Head) -> Answer:
    """A service with one prefix of its own."""
    if not target.startswith("/v1/"):
        return 404, {}, b"no such resource\n"
    body = json.dumps({"service": "orders", "path": target})
    return 200, {"Content-Type": "application/json"}, body.encode()


async def reports(target: str, _: Head) -> Answer:
    """Reports of the intranet."""
    return 200, {}, f"reports path={target}\n".encode()


async def metrics(_target: str, _: Head) -> Answer:
    """The exporter that has port 9113 on this host; no part of nginx."""
    return 200, {}, b"up 1\n"


def serving(handler: Handler) -> Connection:
    """HTTP/1.0 and 1.1, kept open as asked."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            while await _one(handler, reader, writer):
                pass
        writer.close()

    return connected


async def _one(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, version = first.split(" ")
    head = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
    await reader.readexactly(int(head.get("content-length", 0)))
    status, more, body = await handler(target, head)
    open_after = version == "HTTP/1.1" and head.get("connection", "").lower() != "close" and status != 101
    answer = {"Content-Type": "text/plain", "Content-Length": str(len(body)), **more}
    if status == 101:
        del answer["Content-Length"]
    elif not open_after:
        answer["Connection"] = "close"
    text = f"HTTP/1.1 {status} {REASONS.get(status, 'Other')}\r\n"
    text += "".join(f"{name}: {value}\r\n" for name, value in answer.items())
    writer.write(text.encode() + b"\r\n" + (b"" if method == "HEAD" else body))
    await writer.drain()
    return open_after


# --- the wiki: as much of FastCGI as one script needs (the FastCGI specification, section 3)

_BEGIN, _END, _PARAMS, _STDIN, _STDOUT = 1, 3, 4, 5, 6


def scripts(run: Callable[[Head], Awaitable[bytes]]) -> Connection:
    """Answers one request as php-fpm does, with what ``run`` makes of its parameters."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _fastcgi(reader, writer, run)

    return answer


async def _fastcgi(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, run: Callable[[Head], Awaitable[bytes]]
) -> None:
    raw = b""
    with suppress(OSError, asyncio.IncompleteReadError):
        while True:
            _, kind, number, length, padding = struct.unpack(">BBHHBx", await reader.readexactly(8))
            content = (await reader.readexactly(length + padding))[:length]
            if kind == _PARAMS:
                raw += content
            elif kind == _STDIN and not content:
                break
        out = await run(_params(raw))
        writer.write(_record(_STDOUT, number, out) + _record(_STDOUT, number, b""))
        writer.write(_record(_END, number, bytes(8)))
        await writer.drain()
    writer.close()


async def wiki(params: Head) -> bytes:
    """A missing script name gives an empty page, a wrong one a 404."""
    script = params.get("SCRIPT_FILENAME", "")
    if not script:
        return b"Content-Type: text/html\r\n\r\n"
    if not Path(script).is_file():
        return b"Status: 404 Not Found\r\nContent-Type: text/html\r\n\r\nFile not found.\n"
    asked = f"{params.get('REQUEST_URI')} query={params.get('QUERY_STRING')}"
    return f"Content-Type: text/html\r\n\r\nwiki page {asked}\n".encode()


def _record(kind: int, number: int, content: bytes) -> bytes:
    return struct.pack(">BBHHBx", 1, kind, number, len(content), 0) + content


def _params(raw: bytes) -> Head:
    found: Head = {}
    at = 0

    def length() -> int:
        nonlocal at
        if raw[at] < 128:
            at += 1
            return raw[at - 1]
        at += 4
        return int(struct.unpack(">I", raw[at - 4 : at])[0] & 0x7FFFFFFF)

    while at < len(raw):
        sizes = (length(), length())
        name, value = raw[at : at + sizes[0]], raw[at + sizes[0] : at + sum(sizes)]
        at += sum(sizes)
        found[name.decode("latin-1")] = value.decode("latin-1")
    return found


async def main() -> None:
    RUN.mkdir(exist_ok=True)
    servers = [
        await asyncio.start_server(serving(storefront), "127.0.0.1", 9001),
        await asyncio.start_server(serving(storefront), "127.0.0.1", 9002),
        await asyncio.start_server(serving(orders), "127.0.0.1", 9100),
        await asyncio.start_server(serving(metrics), "0.0.0.0", 9113),
        await asyncio.start_unix_server(serving(reports), RUN / "reports.sock"),
        await asyncio.start_unix_server(scripts(wiki), RUN / "php.sock"),
    ]
    for name in ("reports.sock", "php.sock"):
        (RUN / name).chmod(0o666)
    (RUN / "ready").touch()
    if len(sys.argv) > 1:  # how many seconds it may live, whatever becomes of those who started it
        await asyncio.sleep(float(sys.argv[1]))
    else:
        await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main())
