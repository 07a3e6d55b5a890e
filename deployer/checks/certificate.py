"""The certificate a server shows, and whom a probe believes."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

EXPIRES_SOON_DAYS = 14
"""A certificate with less than this left gets a warning; renewal by certbot is due at 30 days."""

_MAKING = threading.Lock()


@dataclass(frozen=True)
class Trust:
    """Whom to believe in a handshake.

    :ivar ca: a PEM file on the controller that replaces the system's authorities.
    :ivar also: a PEM file of authorities that are believed besides those.
    :ivar server_name: for SNI and verification, instead of the URL's host.
    """

    verify: bool = True
    ca: str | None = None
    server_name: str | None = None
    newest: bool = True  #: ``False``: no newer version of TLS than 1.2, which many a client knows no better
    also: str | None = None

    def context(self) -> ssl.SSLContext:
        """A client's context. Raises ``OSError`` (``ssl.SSLError`` is one) when ``ca`` cannot be read."""
        with _MAKING:  # many threads want the same one at the same moment
            return _context(self.verify, self.ca, self.also, newest=self.newest)


@dataclass(frozen=True)
class Certificate:
    """What a server showed. ``names`` are its DNS names and addresses, its common name when it has none."""

    not_after: float  #: seconds since the epoch
    names: tuple[str, ...]
    verified: bool  #: chain and name were checked and accepted
    not_before: float = 0.0

    def fits(self, name: str) -> bool:
        """Whether it is made out to a server name, whoever signed it."""
        name = name.lower().rstrip(".")
        above = name.partition(".")[2]
        return any(n.lower() in (name, f"*.{above}" if above else name) for n in self.names)

    def current(self, now: float | None = None) -> bool:
        """Whether it is valid at this time."""
        return self.not_before <= (time.time() if now is None else now) < self.not_after

    def expires_soon(self, now: float | None = None) -> str | None:
        """A sentence when it expires in less than :data:`EXPIRES_SOON_DAYS`."""
        days = (self.not_after - (time.time() if now is None else now)) / 86_400
        if days >= EXPIRES_SOON_DAYS:
            return None
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.not_after))
        left = f"expires in {days:.0f} days" if days >= 1 else "expires today" if days > 0 else "has expired"
        return f"the certificate of {_some(self.names)} {left} ({when})"


def read_certificate(der: bytes, *, verified: bool) -> Certificate | None:
    """Take apart what :meth:`ssl.SSLObject.getpeercert` gives; ``None`` when it cannot be read.

    ``ssl`` itself shows the fields of verified certificates only, hence cryptography, which paramiko brings.
    """
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        found = x509.load_der_x509_certificate(der)
        names = [str(n.value) for n in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        not_after = found.not_valid_after_utc.timestamp()
        not_before = found.not_valid_before_utc.timestamp()
        try:
            alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            names = [
                *alternatives.get_values_for_type(x509.DNSName),
                *(str(address) for address in alternatives.get_values_for_type(x509.IPAddress)),
            ] or names
        except x509.ExtensionNotFound:
            pass
    except ValueError:
        return None
    return Certificate(not_after, tuple(names), verified, not_before)


@lru_cache(maxsize=32)
def _context(verify: bool, ca: str | None, also: str | None, *, newest: bool = True) -> ssl.SSLContext:
    """Reading the system's authorities takes 20 ms, so one context serves all probes that trust alike."""
    if verify:
        context = ssl.create_default_context(cafile=ca)
        if also is not None:
            context.load_verify_locations(cafile=also)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if not newest:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) or "no name"
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
