"""What stands behind the nginx of Quay: two versions of an API, and what a gateway leans on. Run on the host.

Each says which service it is. They behave as such programs do where nginx has to do its part: the API knows
its own names and wants a request id, the checker of tokens answers by status alone, the console's backend
redirects by its inner name, the files service lets nginx send the file, billing is found by its name only.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import cast

from tests.benchmarks.catch_rate.app import Answer, Handler, Head, serving

RUN = Path("/run/quay")
API_NAMES = ("api.quay.example", "partners.quay.example")
TENANTS = ".app.quay.example"
TOKENS = {"Bearer harbour-master": "ada", "Bearer deckhand": "tom"}
BILLING = "billing.service.quay"
SLOW_S = 1.5


def _said(service: str, target: str, head: Head, **more: str) -> Answer:
    told = {
        "service": service,
        "path": target,
        "user": head.get("x-user", ""),
        "client": head.get("x-real-ip", ""),
        "proto": head.get("x-forwarded-proto", ""),
    }
    return 200, {"Content-Type": "application/json"}, (json.dumps(told | more) + "\n").encode()


def api(service: str, prefixes: tuple[str, ...]) -> Handler:
    """One release of the API."""

    async def answer(target: str, head: Head) -> Answer:
        if head.get("host") not in API_NAMES:
            return 421, {}, f"{service} does not know {head.get('host')}\n".encode()
        if not head.get("x-request-id"):
            return 400, {}, b"no request id\n"
        if not target.startswith(prefixes):
            return 404, {}, f"{service} has no {target}\n".encode()
        if "/manifests/" in target:
            await asyncio.sleep(SLOW_S)
        return _said(service, target, head)

    return answer


async def auth(target: str, head: Head) -> Answer:
    """``/check`` by status, ``/login`` for everybody."""
    if target.startswith("/login"):
        return _said("auth", target, head)
    if target != "/check":
        return 404, {}, b"auth checks, and logs in\n"
    user = TOKENS.get(head.get("authorization", ""))
    if user is None:
        return 401, {}, b""
    if head.get("x-original-uri", "").startswith(("/v1/admin", "/v2/admin")) and user != "ada":
        return 403, {}, b""
    return 200, {"X-User": user}, b""


async def bff(target: str, head: Head) -> Answer:
    """The console's own backend; thinks that it is http://bff.internal/."""
    if target.startswith("/bff"):
        return 404, {}, b"bff has no such thing\n"
    if target == "/leave":
        return 302, {"Location": "http://bff.internal/left"}, b""
    status, more, body = _said("bff", target, head)
    return status, {**more, "Set-Cookie": "session=abc; Path=/"}, body


async def push(target: str, head: Head) -> Answer:
    """News for browsers."""
    if head.get("upgrade") != "websocket" or "upgrade" not in head.get("connection", "").lower():
        return 426, {}, b"this is a websocket\n"
    return 101, {"Upgrade": "websocket", "Connection": "Upgrade"}, b""


async def files(target: str, head: Head) -> Answer:
    """Takes files, and has nginx send them."""
    if not head.get("x-user"):
        return 403, {}, b"who are you?\n"
    if target.startswith("/download/"):
        return 200, {"X-Accel-Redirect": f"/_store/{target.removeprefix('/download/')}"}, b""
    return _said("files", target, head, took=head.get("content-length", "0"))


def tenants(service: str) -> Handler:
    """A pool of customers' fronts."""

    async def answer(target: str, head: Head) -> Answer:
        tenant = head.get("x-tenant", "")
        if head.get("host") != f"{tenant}{TENANTS}":
            return 421, {}, f"{service} does not know {head.get('host')}\n".encode()
        return _said(service, target, head, tenant=tenant)

    return answer


async def billing(target: str, head: Head) -> Answer:
    """Invoices."""
    return _said("billing", target, head)


# --- reports: as much of uwsgi as one application needs (the uwsgi protocol, 4 bytes and pairs)


async def reports(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request as a uwsgi worker answers it."""
    with suppress(OSError, asyncio.IncompleteReadError, struct.error):
        _, size, _ = struct.unpack("<BHB", await reader.readexactly(4))
        said = _pairs(await reader.readexactly(size))
        path, user = said.get("PATH_INFO", ""), said.get("HTTP_X_USER", "")
        if path.startswith("/reports/") and user:
            text = f"reports {path} for {user}\n"
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n{text}".encode())
        else:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno such report\n")
        await writer.drain()
    writer.close()


def _pairs(raw: bytes) -> Head:
    words, at = [], 0
    while at < len(raw):
        (size,) = struct.unpack_from("<H", raw, at)
        words.append(raw[at + 2 : at + 2 + size].decode("latin-1"))
        at += 2 + size
    return dict(zip(words[::2], words[1::2], strict=True))


# --- names: as much of DNS as one name needs (RFC 1035, section 4)


class Names(asyncio.DatagramProtocol):
    """Knows where billing is; everything else does not exist."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\0", 12) + 5
        question = data[12:end]
        asked = b"".join(bytes([len(w)]) + w.encode() for w in BILLING.split(".")) + b"\0"
        known, ipv4 = question[:-4].lower() == asked, question[-4:-2] == b"\0\1"
        count, flags = (1 if known and ipv4 else 0), (0x8180 if known else 0x8183)
        answer = data[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0) + question
        if count:
            answer += struct.pack(">HHHIH4B", 0xC00C, 1, 1, 5, 4, 127, 0, 0, 1)
        self._transport.sendto(answer, addr)


HTTP = {
    7101: api("api-v1", ("/v1/", "/shipments")),
    7102: api("api-v1", ("/v1/", "/shipments")),
    7201: api("api-v2", ("/v2/", "/shipments")),
    7202: api("api-v2", ("/v2/", "/shipments")),
    7209: api("api-next", ("/v2/", "/v3/", "/shipments")),
    7300: auth,
    7400: bff,
    7500: push,
    7600: files,
    7700: tenants("tenants-shared"),
    7701: tenants("tenants-north"),
    7702: tenants("tenants-northsea"),
    7900: billing,
}


async def main() -> None:
    """Serve until told otherwise."""
    RUN.mkdir(exist_ok=True)
    for port, handler in HTTP.items():
        await asyncio.start_server(serving(handler), "127.0.0.1", port)
    await asyncio.start_unix_server(reports, RUN / "reports.sock")
    (RUN / "reports.sock").chmod(0o666)
    await asyncio.get_running_loop().create_datagram_endpoint(Names, local_addr=("127.0.0.1", 5300))
    (RUN / "ready").touch()
    await asyncio.sleep(float(sys.argv[1]))


if __name__ == "__main__":
    asyncio.run(main())
