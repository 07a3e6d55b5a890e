"""Who is let in where somebody was kept out, and who is kept out that nobody meant. Pure.

A question comes from the host itself. What an address list does to the rest of the world is read.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from deployer.nginx.access import Access, access
from deployer.nginx.sites import effective
from deployer.nginx.upstreams import passing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deployer.comparison.reading.standing import Standing
    from deployer.nginx.sites import Location

_SAYS = ("allow", "deny", "auth_basic", "auth_request", "auth_jwt", "satisfy", "internal", "return")
PRIVATE = re.compile(
    r"/\.(?!well-known)|/(wp-)?admin\b|/xmlrpc\.php|/(nginx_|server-)?status\b|/metrics\b|/internal\b|/private\b"
    r"|/debug\b|/actuator\b|/phpmyadmin|/(backup|config|conf|data|include|inc|bin|vendor|node_modules)s?/"
    r"|(\.(bak|sql|ini|log|sh|conf|swp|orig|old|save|inc|dist|ya?ml|lock|pem|key|env|git|ht\w+|md|tar|zip|gz)|~)$",
    re.IGNORECASE,
)
"""What one closes to make a site safer."""

WIDEST = {4: 8, 6: 16}
"""A network of the Internet as large as that (16 million addresses of IPv4) is nobody's alone."""


def climbed(was: Standing, now: Standing, path: str) -> bool:
    """Whether a location of its own takes a part out of one that live closes, and forgets the fence.

    It hands the requests to the same application, or serves files as that one did, and says nothing of who
    may come: who means to open a part of what is closed says so (``allow all``, ``auth_basic off``). Out of a
    whole site one takes a part without a word, but not its back office.
    """
    old, new = was.location, now.location
    if old is None or new is None or old.regex or new.regex:
        return False
    if old.pattern == "/" and PRIVATE.search(path) is None:
        return False
    if new.pattern == old.pattern or not new.pattern.startswith(old.pattern) or not _fenced(old):
        return False
    return not _says_who(new) and _same_handler(was, now)


def _says_who(location: Location) -> bool:
    """Whether it says who may come; an ``allow`` that is followed by no ``deny`` keeps nobody out."""
    here = location.directive
    said = [d for d in here.block or () if d.name in _SAYS]
    lists = all(d.name == "allow" and d.args != ("all",) for d in said)
    return bool(said) and not lists


def unbarred(was: Standing, now: Standing) -> str | None:
    """What only nginx itself asked for (``internal``), and users may from now on."""
    old, new = was.location, now.location
    if old is None or new is None or old.kind == "=" or (old.kind, old.pattern) != (new.kind, new.pattern):
        return None
    if old.directive.first("internal") is None or new.directive.first("internal") is not None:
        return None
    hands_out = passing(new) is not None or new.directive.first("alias", "root") is not None
    if not hands_out or access(now.scope) is not Access.OPEN:
        return None
    return f"open to the public: {new.title} is no longer internal"


def balancer_only(was: Standing, now: Standing, port: int) -> str | None:
    """Address lists that meet the balancer, where they met the client whom its PROXY line names."""
    if not any(x.proxy for x in now.server.listens if x.port == port):
        return None
    if not effective(now.scope, "allow", "deny"):
        return None
    said = [[d.args for d in effective(s.scope, "real_ip_header")][-1:] for s in (was, now)]
    if said[0] != [("proxy_protocol",)] or said[1] == said[0]:
        return None
    other = " ".join(said[1][0]) if said[1] else "nothing"
    return f"allow and deny meet the balancer, not the client: real_ip_header is {other} behind PROXY lines"


def another_header(was: Standing, now: Standing) -> str | None:
    """Another header that says who asks, of the same balancers: they go on sending the one they sent."""
    before, after = ([d.args[:1] for d in effective(s.scope, "real_ip_header")][-1:] for s in (was, now))
    trusted = [{d.args for d in effective(s.scope, "set_real_ip_from")} for s in (was, now)]
    if not before or not after or before == after or trusted[0] != trusted[1] or not trusted[0]:
        return None
    if before[0] == ("proxy_protocol",) or before[0][0].lower() == after[0][0].lower():
        return None
    new, old = after[0][0], before[0][0]
    return f"everybody is the balancer: real_ip_header is {new} now, {old} of the same balancers before"


def _fenced(location: Location) -> bool:
    here = location.directive
    asked = (*here.all("auth_basic"), *here.all("auth_request"))
    return here.first("deny") is not None or any(d.args != ("off",) for d in asked)


def _same_handler(was: Standing, now: Standing) -> bool:
    before, after = was.passed, now.passed
    if before is None or after is None:
        return before is after
    if any("$" in member for member in before.members | after.members):
        return True  # whom a variable names is only known when it is asked
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
