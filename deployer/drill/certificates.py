"""A certificate that expires in the middle of a drill, for the way from nginx to the application."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.drill.breaking import SHOP
from deployer.errors import DeployerError
from deployer.lab import outage

if TYPE_CHECKING:
    from deployer.drill.scene import Scene

NAME = "app.internal"
LIVES_S = (30, 60, 180)
"""So long it is valid; another attempt with the next, should the deployments take longer on this machine."""
_SITE = """\
server {{
	listen 80;
	listen [::]:80;
	server_name shop.example.com;

	location / {{
		proxy_pass https://127.0.0.1:8443;
		proxy_ssl_verify on;
		proxy_ssl_name app.internal;
		proxy_ssl_trusted_certificate /etc/nginx/ssl/ca.pem;
		proxy_ssl_session_reuse off;
	}}
}}

server {{
	listen 127.0.0.1:8443 ssl;
	server_name app.internal;
	ssl_certificate /etc/nginx/ssl/app.pem;
	ssl_certificate_key /etc/nginx/ssl/app.key;
	access_log off;
	default_type text/plain;

	location / {{
		return 200 "{text}\\n";
	}}
}}
"""


def ground(scene: Scene) -> None:
    """Two good deployments with a certificate that is about to expire; the renewed one lies ready.

    :raises DeployerError: this machine is too slow for that.
    """
    for lives_s in LIVES_S:
        expires = _files(scene, lives_s)
        live = True
        for label, text in (("first", "shop 1 over TLS"), ("good", "shop 2 over TLS")):
            scene.commit(label, text, lambda repo, text=text: _write(scene, repo, text))  # type: ignore[misc]
            # The one before may have expired while it was deployed: then the site is ill already.
            live &= scene.deploy(label, "--fix-forward", codes=(0, 3, 4)) == 0
        if live and time.time() < expires:
            return
    raise DeployerError(f"the drill cannot be set up: two deployments take longer than {LIVES_S[-1]} s here")


def until_expired(scene: Scene) -> None:
    """Wait until the certificate has expired: this is the fault, nothing else is waited for."""
    expires = float((scene.directory / "expires").read_text())
    while (left_s := expires - time.time()) > 0:
        time.sleep(left_s)


def _write(scene: Scene, repo: Path, text: str) -> None:
    outage.sound(repo, text)
    (repo / "ssl").mkdir(exist_ok=True)
    for name in ("ca.pem", "app.pem", "app.key"):
        (repo / "ssl" / name).write_bytes((scene.directory / "ssl" / name).read_bytes())
    (repo / SHOP).write_text(_SITE.format(text=text))


def _files(scene: Scene, lives_s: int) -> float:
    """An authority, a certificate that lives so long, and its renewal; Unix time of the end of the first."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "drill authority")])
    own_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC).replace(microsecond=0)
    expires = now + timedelta(seconds=lives_s)

    def signed(name: x509.Name, public: ec.EllipticCurvePublicKey, until: datetime, *, ca: bool) -> bytes:
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=90))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)

    for folder, until in (("ssl", expires), ("renewed", now + timedelta(days=90))):
        where = scene.directory / folder
        where.mkdir(exist_ok=True)
        (where / "app.pem").write_bytes(signed(own_name, key.public_key(), until, ca=False))
    where = scene.directory / "ssl"
    later = now + timedelta(days=3650)
    (where / "ca.pem").write_bytes(signed(ca_name, ca_key.public_key(), later, ca=True))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (where / "app.key").write_bytes(private)
    (scene.directory / "expires").write_text(str(expires.timestamp()))
    return expires.timestamp()
