"""What stands behind the nginx of Kiln: PHP, an API on three ports, programs of others. Run on the host.

They behave as such programs do where nginx has to do its part: scripts believe what their parameters say, the
API knows one name only and is met over TLS, the configurator links to its inner name, the studio has nginx
send its files, news for browsers come bit by bit.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.benchmarks.catch_rate.app import Answer, Handler, Head, scripts, serving

RUN = Path("/run/kiln")
API, STUDIO, INNER = "api.kiln.example", "studio.kiln.example", "http://configurator.internal"
SLOW_S, BEAT_S = 1.5, 1.7
COOKIE_BYTES = 6000
PLAIN, JSON = {"Content-Type": "text/plain"}, {"Content-Type": "application/json"}


def _json(**told: str) -> bytes:
    return (json.dumps(told) + "\n").encode()


def api(node: str) -> Handler:
    """One of the API's processes; ``clay`` never gets warm enough for quotes."""

    async def answer(target: str, head: Head) -> Answer:  # noqa: PLR0911 - a return for each of its moods
        path = urlsplit(target).path
        if head.get("host") != API:
            return 421, JSON, _json(error=f"{head.get('host')} is not me")
        if head.get("x-forwarded-proto") != "https":
            return 301, {"Location": f"https://{API}{target}"}, b""
        if path == "/live":
            if head.get("upgrade") != "websocket" or "upgrade" not in head.get("connection", "").lower():
                return 426, JSON, _json(error="a websocket, please")
            return 101, {"Upgrade": "websocket", "Connection": "Upgrade"}, b""
        if path == "/quotes" and node == "clay":
            return 503, JSON, _json(error="warming up")
        if path.startswith("/unknown"):
            return 404, JSON, _json(error="no such thing", hint="see /v1")
        if path.startswith("/reports/"):
            await asyncio.sleep(SLOW_S)
        more = {"Set-Cookie": f"session={'s' * COOKIE_BYTES}; Path=/"} if path == "/session" else {}
        customer = _cookie(head, "session") or head.get("authorization") or "everybody"
        client = head.get("x-real-ip", "nobody")
        many = {"list": "glaze " * 100} if path == "/glazes" else {}
        return 200, JSON | more, _json(path=target, customer=customer, client=client, **many)

    return answer


def _cookie(head: Head, name: str) -> str:
    pairs = (pair.strip().partition("=") for pair in head.get("cookie", "").split(";"))
    return next((value for key, _, value in pairs if key == name), "")


async def configurator(target: str, head: Head) -> Answer:
    """Has no idea of a prefix."""
    if target.startswith("/configurator"):
        return 404, PLAIN, b"configurator: what?\n"
    if target == "/start":
        return 302, {"Location": f"{INNER}/step/1"}, b""
    if target == "/broken":
        return 500, PLAIN, b"Traceback (most recent call last): /opt/configurator/main.py\n"
    links = f'<a href="{INNER}/step/2">on</a>, <a href="{INNER}/">again</a>'
    body = f"<p>configurator {target}</p>{links}\n".encode()
    more = {"Content-Type": "text/html", "Set-Cookie": "wheel=1; Path=/"}
    if "gzip" in head.get("accept-encoding", ""):
        return 200, more | {"Content-Encoding": "gzip"}, gzip.compress(body, mtime=0)
    return 200, more, body


async def studio(target: str, head: Head) -> Answer:
    """Plans, files, and what staff send."""
    if target.startswith("/files/"):
        return 200, {"X-Accel-Redirect": f"/_vault/{target.removeprefix('/files/')}"}, b""
    if target == "/plan":
        return 302, {"Location": f"http://{head.get('host')}/plans/today"}, b""
    who, client, took = (head.get(name, "") for name in ("x-remote-user", "x-real-ip", "content-length"))
    return 200, PLAIN, f"studio path={target} user={who} client={client} took={took}\n".encode()


async def hooks(target: str, head: Head) -> Answer:
    """Announcements of payments."""
    if not target.startswith("/hooks/") or not head.get("x-signature"):
        return 400, JSON, _json(error="who says so?")
    return 200, JSON, _json(took=head.get("content-length", "0"), signature=head["x-signature"])


async def thumbs(target: str, _: Head) -> Answer:
    """Pictures, smaller; follows everybody with a cookie."""
    asked = parse_qs(urlsplit(target).query)
    if not target.startswith("/resize?") or not {"w", "file"} <= asked.keys():
        return 404, PLAIN, b"resize what?\n"
    more = {"Content-Type": "image/png", "Set-Cookie": "tracker=1; Path=/", "Cache-Control": "private"}
    return 200, more, f"thumb w={asked['w'][0]} file={asked['file'][0]}\n".encode()


async def events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An event at once and some later; whoever asks for a long stream gets one longer than their patience."""
    with suppress(OSError, asyncio.IncompleteReadError):
        first = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        count, pause = (5, BEAT_S) if b"long" in first else (2, 0.3)
        for number in range(count):
            writer.write(f"data: event {number}\n\n".encode())
            await writer.drain()
            await asyncio.sleep(pause)
    writer.close()


# --- scripts


def _page(body: str, *head: str) -> bytes:
    return "\r\n".join((*head, "Content-Type: text/html", "", f"{body}\n")).encode()


async def php(params: Head) -> bytes:  # noqa: PLR0911 - a return for each script
    script = params.get("SCRIPT_FILENAME", "")
    if not Path(script).is_file():
        return _page("File not found.", "Status: 404 Not Found")
    if not script.endswith(".php"):
        return _page("Access denied.", "Status: 403 Forbidden")
    told = {key: params.get(key, "") for key in ("QUERY_STRING", "REMOTE_USER", "PATH_INFO")}
    match script.removeprefix("/srv/"):
        case "kiln/public/index.php":
            return await _front(params)
        case "kiln/public/catalog.php":
            found = told["PATH_INFO"].startswith("/")
            return _page(f"entry={told['PATH_INFO']}") if found else _page("entry?", "Status: 404 Not Found")
        case "kiln/public/admin/index.php":
            return _page(f"back office path={params.get('REQUEST_URI')} user={told['REMOTE_USER']}")
        case "classic/forum.php":
            return _page(f"forum {told['QUERY_STRING']}")
    return _page(f"ran {script}")


async def _front(params: Head) -> bytes:
    uri, host = params.get("REQUEST_URI", ""), params.get("HTTP_HOST", "")
    path = urlsplit(uri).path
    if params.get("HTTPS") != "on":
        return _page("", "Status: 301 Moved Permanently", f"Location: https://{host}{uri}")
    if path.startswith("/nothing"):
        return _page("Kiln has no such page", "Status: 404 Not Found")
    if path == "/firing":
        await asyncio.sleep(SLOW_S)
    names = ("QUERY_STRING", "REMOTE_ADDR", "LANG", "REGION", "FRONT", "CONTENT_LENGTH")
    told = " ".join(f"{name.lower()}={params.get(name, '')}" for name in names)
    more = (f"Set-Cookie: basket={'b' * COOKIE_BYTES}; Path=/",) if path == "/basket" else ()
    return _page(f"kiln page path={path} {told} method={params.get('REQUEST_METHOD')} end", *more)


HTTP = {
    8611: api("clay"),
    8612: api("slip"),
    8619: api("spare"),
    8630: configurator,
    8640: studio,
    8650: hooks,
    8660: thumbs,
}


async def main() -> None:
    """Serve until told otherwise."""
    RUN.mkdir(exist_ok=True)
    for port, handler in HTTP.items():
        await asyncio.start_server(serving(handler), "127.0.0.1", port)
    await asyncio.start_server(events, "127.0.0.1", 8670)
    await asyncio.start_unix_server(scripts(php), RUN / "php.sock")
    (RUN / "php.sock").chmod(0o666)
    (RUN / "ready").touch()
    await asyncio.sleep(float(sys.argv[1]))


if __name__ == "__main__":
    asyncio.run(main())
