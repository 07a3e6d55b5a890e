"""Who may ask for a route, by ``allow``, ``deny`` and ``auth_basic`` alone. Pure.

A question asked on the host comes from the host, which many a configuration lets in where it keeps others
out. So what the public is told has to be worked out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from enum import IntEnum

from deployer.nginx.sites import effective
from deployer.nginx.tree import Directive

_PUBLIC = tuple(
    tuple(map(ipaddress.ip_address, addresses))
    for addresses in (
        ("203.0.113.9", "24.48.0.1", "81.2.69.142", "133.11.0.1"),
        ("2001:db8::9", "2a00:1450::9"),
    )
)
"""Strangers from all over the world, never asked anything. A list that lets in one alone means an office."""
_SEVERAL = 2


class Access(IntEnum):
    """How far the public gets."""

    OPEN = 0
    PASSWORD = 1
    CLOSED = 2


def access(scope: Sequence[Directive]) -> Access:
    """How far a stranger from the Internet gets in the innermost of the blocks."""
    if any(d.name == "return" for d in scope[-1].block or ()):
        return Access.OPEN  # it answers before anybody is looked at
    password = _password(scope)
    closed = all(sum(_let_in(scope, one) for one in some) < _SEVERAL for some in _PUBLIC)
    if password and any(d.args == ("any",) for d in effective(scope, "satisfy")):
        # Whoever the list lets in is not asked for a password.
        return Access.PASSWORD if closed or not effective(scope, "allow", "deny") else Access.OPEN
    return Access.CLOSED if closed else Access.PASSWORD if password else Access.OPEN


def _password(scope: Sequence[Directive]) -> bool:
    basic = effective(scope, "auth_basic")
    asked = effective(scope, "auth_request")
    return any(d.args != ("off",) for d in (*basic, *asked))


def _let_in(scope: Sequence[Directive], address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    for rule in effective(scope, "allow", "deny"):
        if rule.args and _holds(rule.args[0], address):
            return rule.name == "allow"
    return True


def _holds(text: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if text == "all":
        return True
    try:
        return address in ipaddress.ip_network(text, strict=False)
    except ValueError:  # "unix:"
        return False


def needs_referer(scope: Sequence[Directive]) -> bool:
    """Whether those who come from nowhere (a typed address, many an app) are refused for it."""
    valid = [a for d in effective(scope, "valid_referers") for a in d.args]
    return bool(valid) and "none" not in valid and refuses_referers(scope)


def refuses_referers(scope: Sequence[Directive]) -> bool:
    """Whether a ``Referer`` that is not valid is answered with an error."""
    # What a server's own "if" says holds in all its locations; a location's does not in those within it.
    blocks = {id(x): x for x in (scope[1], scope[-1])}.values()
    return any(
        d.args[:1] == ("$invalid_referer",) and len(d.args) == 1 and _refuses(d)
        for block in blocks
        for d in block.all("if")
    )


def _refuses(block: Directive) -> bool:
    return any(d.args[0].startswith("4") for d in block.all("return") if d.args)
