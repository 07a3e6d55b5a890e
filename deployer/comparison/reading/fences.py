"""Who is let in where somebody was kept out, and who is kept out that nobody meant. Pure.

A question comes from the host itself. What an address list does to the rest of the world is read.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from deployer.nginx.access import Access, access
from deployer.nginx.sites import effective

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deployer.comparison.reading.standing import Standing
    from deployer.nginx.sites import Location

_SAYS = ("allow", "deny", "auth_basic", "auth_request", "auth_jwt", "satisfy", "internal", "return")
WIDEST = {4: 8, 6: 16}
"""A network of the Internet as large as that (16 million addresses of IPv4) is nobody's alone."""


def climbed(was: Standing, now: Standing) -> bool:
    """Whether a location of its own takes a part out of one that live closes, and forgets the fence.

    It hands the requests to the same application, or serves files as that one did, and says nothing of who
    may come: who means to open a part of what is closed says so (``allow all``, ``auth_basic off``).
    """
    old, new = was.location, now.location
    if old is None or new is None or old.regex or new.regex or old.pattern == "/":
        return False
    if new.pattern == old.pattern or not new.pattern.startswith(old.pattern) or not _fenced(old):
        return False
    return new.directive.first(*_SAYS) is None and _same_handler(was, now)


def _fenced(location: Location) -> bool:
    here = location.directive
    asked = (*here.all("auth_basic"), *here.all("auth_request"))
    return here.first("deny") is not None or any(d.args != ("off",) for d in asked)


def _same_handler(was: Standing, now: Standing) -> bool:
    before, after = was.passed, now.passed
    if before is None or after is None:
        return before is after
    return not before.members.isdisjoint(after.members)


def shut_out(was: Standing, now: Standing) -> str | None:
    """A network that is shut out from now on, and is so wide that it can only be a slip."""
    if Access.CLOSED in (access(was.scope), access(now.scope)):
        return None
    denied = {d.args for d in effective(was.scope, "allow", "deny") if d.name == "deny"}
    for rule in effective(now.scope, "allow", "deny"):
        network = _network(rule.args) if rule.name == "deny" and rule.args not in denied else None
        if network is not None and network.prefixlen <= WIDEST[network.version]:
            return f"closed to {rule.args[0]} (deny): {network.num_addresses:,} addresses at once"
    return None


def _network(args: Sequence[str]) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """A network of the Internet; ``None`` for one that is nobody's, and for other words."""
    try:
        network = ipaddress.ip_network(args[0], strict=False)
    except (ValueError, IndexError):  # "all", "unix:"
        return None
    return None if network.is_private or network.is_multicast or network.is_reserved else network
