"""Certificates of a fleet: a client that knows its authority accepts them, for their names."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from deployer.checks.certificate import Trust
from deployer.staging.certificates import Authority


def handshake(tmp_path: Path, names: list[str], asked: str, *, also: bool) -> None:
    authority = Authority("staging of production")
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    certificate, key = authority.pair(names)
    (tmp_path / "both.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    near, far = socket.socketpair()

    def serve() -> None:
        try:
            context.wrap_socket(far, server_side=True).close()
        except OSError:
            far.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    near.settimeout(20)
    trust = Trust(also=str(tmp_path / "ca.pem") if also else None)
    try:
        trust.context().wrap_socket(near, server_hostname=asked).close()
    finally:
        near.close()
        thread.join(20)


@pytest.mark.parametrize("asked", ["shop.example.com", "www.example.net", "example.net"])
def test_a_client_of_the_fleet_accepts_it(tmp_path: Path, asked: str) -> None:
    handshake(tmp_path, ["shop.example.com", ".example.net"], asked, also=True)


@pytest.mark.parametrize(("asked", "also"), [("other.example.com", True), ("shop.example.com", False)])
def test_nobody_else_does(tmp_path: Path, asked: str, also: bool) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, ["shop.example.com"], asked, also=also)
