"""The exchange against servers that misbehave in each way a server can."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable

import pytest

from deployer.checks.certificate import Trust
from deployer.checks.http import Answer, Lack, NoAnswer, Url, get
from tests.unit.servers import Authority, Server, never, read_request, replying, response

Serve = Callable[..., Server]


def fetch(
    server: Server,
    *,
    path: str = "/",
    limit_s: float = 5.0,
    scheme: str = "http",
    trust: Trust | None = None,
    headers: dict[str, str] | None = None,
    preface: bytes = b"",
) -> Answer:
    url = Url.parse(f"{scheme}://127.0.0.1:{server.port}{path}")
    stream = socket.create_connection(("127.0.0.1", server.port), 5)
    return get(
        stream,
        url,
        deadline=time.monotonic() + limit_s,
        trust=trust,
        headers=headers,
        preface=preface,
        limit=1000,
    )


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (response(503, b"no"), 503, b"no"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            200,
            b"abcde",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + response(200, b"x"), 200, b"x"),
        (b"HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n", 299, b""),
        (response(200, b""), 200, b""),
    ],
)
def test_answers(serve: Serve, raw: bytes, status: int, body: bytes) -> None:
    answer = fetch(serve(replying(raw)))
    assert (answer.status, answer.body, answer.cut) == (status, body, False)
    assert answer.certificate is None


@pytest.mark.parametrize(
    ("raw", "lack", "words"),
    [
        (b"", Lack.SILENT, "closed without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", Lack.SILENT, "in the middle"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", Lack.SILENT, "in the middle"),
        (b"220 mail.example.com ESMTP\r\n", Lack.GARBAGE, "220 mail.example.com ESMTP"),
        (b"\x15\x03\x01\x00\x02\x02\x16\r\n", Lack.GARBAGE, "does not speak HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", Lack.GARBAGE, "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", Lack.GARBAGE, "header line"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", Lack.GARBAGE, "100 headers"),
    ],
)
def test_no_answer(serve: Serve, raw: bytes, lack: Lack, words: str) -> None:
    with pytest.raises(NoAnswer, match=words) as caught:
        fetch(serve(replying(raw)))
    assert caught.value.lack is lack
    assert len(str(caught.value)) < 200


def test_a_reset_is_no_answer(serve: Serve) -> None:
    def reset(connection: socket.socket) -> None:
        read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with pytest.raises(NoAnswer, match="reset") as caught:
        fetch(serve(reset))
    assert caught.value.lack is Lack.SILENT


def test_what_drips_is_late_however_often_it_drips(serve: Serve) -> None:
    def drip(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not server.closing.wait(0.05):
            connection.sendall(b".")

    server = serve(drip)
    started = time.monotonic()
    with pytest.raises(NoAnswer, match=r"no complete answer within 0\.[34]") as caught:
        fetch(server, limit_s=0.4)
    assert caught.value.lack is Lack.LATE
    assert time.monotonic() - started < 1


def test_endless_interim_answers_end_at_the_deadline(serve: Serve) -> None:
    def endless(connection: socket.socket) -> None:
        while not server.closing.is_set():
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    server = serve(endless)
    with pytest.raises(NoAnswer) as caught:
        fetch(server, limit_s=0.3)
    assert caught.value.lack is Lack.LATE


def test_who_does_not_answer_is_late(serve: Serve) -> None:
    server = serve(never)
    with pytest.raises(NoAnswer) as caught:
        fetch(server, limit_s=0.2)
    assert caught.value.lack is Lack.LATE


def test_a_long_body_is_cut_and_the_rest_not_awaited(serve: Serve) -> None:
    def endless(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000)
        server.closing.wait(10)

    server = serve(endless)
    answer = fetch(server)
    assert (len(answer.body), answer.cut) == (1000, True)


def test_the_request_as_it_goes_over_the_wire(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    seen: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(response(200, b"", "Set-Cookie: a=1", "set-cookie: b=2"))

    server = serve(handle)
    answer = fetch(server, path="/ä b?q=ü#frag", headers={"X-Name": "ü"}, preface=b"PROXY TCP4 1 2 3 4\r\n")
    assert answer.header("Set-Cookie") == "a=1, b=2"
    assert answer.header("absent") is None
    preface, line, *headers = seen[0].decode().split("\r\n")
    assert preface.startswith("PROXY ")
    assert line == "GET /%C3%A4%20b?q=%C3%BC HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}" in headers
    assert {"X-Name: ü", "Connection: close", "Accept-Encoding: identity"} <= set(headers)
    fetch(server, headers={"host": "shop.example.com"})
    assert b"host: shop.example.com\r\n" in seen[1]
    assert seen[1].lower().count(b"host:") == 1


def test_a_header_that_would_start_another_one_is_not_sent(serve: Serve) -> None:
    with pytest.raises(ValueError, match="Invalid header"):
        fetch(serve(replying(response())), headers={"X": "a\r\nY: b"})


def test_charsets(serve: Serve) -> None:
    latin = response(200, "grün".encode("latin-1"), "Content-Type: text/html; charset=ISO-8859-1")
    assert fetch(serve(replying(latin))).text() == "grün"
    unknown = response(200, "grün".encode(), "Content-Type: text/html; charset=klingon")
    assert fetch(serve(replying(unknown))).text() == "grün"


@pytest.mark.parametrize(
    ("text", "host", "port", "target", "authority"),
    [
        ("http://127.0.0.1", "127.0.0.1", 80, "/", "127.0.0.1"),
        ("https://[::1]/a", "::1", 443, "/a", "[::1]"),
        ("http://[2001:db8::1]:8080/?a=b c", "2001:db8::1", 8080, "/?a=b%20c", "[2001:db8::1]:8080"),
        ("https://bücher.example/x%20y", "xn--bcher-kva.example", 443, "/x%20y", "xn--bcher-kva.example"),
        ("http://[fe80::1%25eth0]/", "fe80::1%eth0", 80, "/", "[fe80::1%eth0]"),
        ("http://a:443/", "a", 443, "/", "a:443"),
    ],
)
def test_urls(text: str, host: str, port: int, target: str, authority: str) -> None:
    url = Url.parse(text)
    assert (url.host, url.port, url.target, url.authority) == (host, port, target, authority)


@pytest.mark.parametrize(
    "text", ["/health", "127.0.0.1", "ftp://a/", "http://", "http://a:99999/", "http://[::1/"]
)
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Url.parse(text)


def test_ipv6(serve: Serve) -> None:
    server = serve(replying(response(200, b"six")), socket.AF_INET6)
    stream = socket.create_connection(("::1", server.port), 5)
    url = Url.parse(f"http://[::1]:{server.port}/")
    assert get(stream, url, deadline=time.monotonic() + 5).body == b"six"


def test_tls_with_sni_and_alpn(serve: Serve, authority: Authority) -> None:
    seen: list[str | None] = []
    spoken: list[str | None] = []

    def inner(connection: socket.socket) -> None:
        assert isinstance(connection, ssl.SSLSocket)
        spoken.append(connection.selected_alpn_protocol())
        replying(response(200, b"x" * 900))(connection)

    server = serve(authority.issue("DNS:shop.example.com").handler(inner, seen))
    answer = fetch(server, scheme="https", trust=Trust(True, str(authority.ca), "shop.example.com"))
    assert (answer.status, len(answer.body), seen) == (200, 900, ["shop.example.com"])
    assert spoken == ["http/1.1"]
    assert answer.certificate is not None
    assert answer.certificate.names == ("shop.example.com",)
    assert answer.certificate.verified
    assert answer.certificate.expires_soon() is None


def test_an_address_is_verified_without_sni(serve: Serve, authority: Authority) -> None:
    seen: list[str | None] = []
    server = serve(authority.issue("IP:127.0.0.1").handler(replying(response()), seen))
    answer = fetch(server, scheme="https", trust=Trust(True, str(authority.ca)))
    assert answer.certificate is not None
    assert (answer.certificate.names, seen) == (("127.0.0.1",), [None])


@pytest.mark.parametrize(
    ("names", "days", "words"),
    [
        ("DNS:shop.example.com", -1, "expired"),
        ("DNS:other.example.com", 90, "Hostname mismatch"),
        ("DNS:shop.example.com,DNS:strangers.example.com", 90, "unable to get local issuer certificate"),
    ],
)
def test_certificates_that_are_not_accepted(
    serve: Serve, authority: Authority, names: str, days: int, words: str
) -> None:
    server = serve(authority.issue(names, days=days).handler(replying(response())))
    ca = None if "issuer" in words else str(authority.ca)
    with pytest.raises(NoAnswer, match=words) as caught:
        fetch(server, scheme="https", trust=Trust(True, ca, "shop.example.com"))
    assert caught.value.lack is Lack.CERTIFICATE
    unproved = fetch(server, scheme="https", trust=Trust(False, None, "shop.example.com"))
    assert unproved.certificate is not None
    assert not unproved.certificate.verified


def test_soon_is_said_before_it_is_too_late(serve: Serve, authority: Authority) -> None:
    server = serve(authority.issue("DNS:shop.example.com", days=3).handler(replying(response())))
    answer = fetch(server, scheme="https", trust=Trust(True, str(authority.ca), "shop.example.com"))
    assert answer.certificate is not None
    said = answer.certificate.expires_soon()
    assert said is not None
    assert said.startswith("the certificate of shop.example.com expires in 3 days (")


def test_tls_to_what_does_not_speak_it(serve: Serve) -> None:
    server = serve(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with pytest.raises(NoAnswer, match=r"wrong version number|record layer") as caught:
        fetch(server, scheme="https", limit_s=2)
    assert caught.value.lack is Lack.TLS


def test_an_unreadable_authority_is_not_the_servers_fault(serve: Serve) -> None:
    with pytest.raises(FileNotFoundError):
        fetch(serve(replying(response())), scheme="https", trust=Trust(True, "/nonexistent/ca.pem"))
