"""What nginx writes anew in an application's answers, and does not any more. Pure.

The application links to its inner name, and sets cookies for a path that users do not know: nobody outside
has seen those, as long as each of these lines stands.
"""

from __future__ import annotations

from deployer.comparison.reading.standing import Standing
from deployer.comparison.reading.telling import same_application, same_location
from deployer.nginx.sites import effective
from deployer.nginx.upstreams import passing, told

_PAIRS = ("sub_filter", "proxy_redirect", "proxy_cookie_path", "proxy_cookie_domain")
_FLAGS = ("secure", "httponly")


def left_as_it_is(was: Standing, now: Standing) -> str | None:
    """Words, redirects and cookies that reach users as the application says them."""
    if not same_location(was, now) or not same_application(was, now):
        return None
    return (
        _packed(was, now)
        or _once(was, now)
        or _exchanged(was, now)
        or _unled(was, now)
        or _unflagged(was, now)
    )


def _packed(was: Standing, now: Standing) -> str | None:
    if not all(effective(s.scope, "sub_filter") for s in (was, now)):
        return None
    if told(was.scope).get("accept-encoding") != "" or told(now.scope).get("accept-encoding") == "":
        return None
    return "sub_filter finds nothing in what comes packed: Accept-Encoding is handed on again"


def _once(was: Standing, now: Standing) -> str | None:
    sides = [
        ({d.args for d in effective(s.scope, "sub_filter")}, effective(s.scope, "sub_filter_once"))
        for s in (was, now)
    ]
    (words, before), (same, after) = sides
    if not words & same or not before or before[-1].args != ("off",):
        return None
    if after and after[-1].args == ("off",):
        return None
    return "sub_filter replaces the first of each word only: sub_filter_once off is gone"


def _exchanged(was: Standing, now: Standing) -> str | None:
    for name in _PAIRS:
        before, after = (
            {d.args[:2] for d in effective(s.scope, name) if len(d.args) > 1} for s in (was, now)
        )
        turned = sorted(p for p in after - before if (p[1], p[0]) in before)
        if turned:
            return f"{name} {' '.join(turned[0])}: what is looked for and what it becomes have changed places"
    return None


def _unled(was: Standing, now: Standing) -> str | None:
    """Redirects to an address of its own that the application believes in, and users do not get to."""
    if effective(now.scope, "proxy_redirect"):
        return None
    on = passing(now.location)
    for one in effective(was.scope, "proxy_redirect"):
        # What nginx does by itself: the address that it hands requests on to becomes the location's own.
        known = on is not None and one.args[0].rstrip("/") == on.args[0].rstrip("/")
        if len(one.args) == 2 and not known:
            return f"redirects to {one.args[0]} reach users as they are (proxy_redirect is gone)"
    return None


def _unflagged(was: Standing, now: Standing) -> str | None:
    """Flags by name; an expression, or a variable, may mean any cookie."""
    before, after = (
        {
            d.args[0]: {flag.lower() for flag in d.args[1:]}
            for d in effective(s.scope, "proxy_cookie_flags")
            if d.args
        }
        for s in (was, now)
    )
    if any(name.startswith("~") or "$" in name for name in after):
        return None
    for name, flags in before.items():
        lost = [flag for flag in _FLAGS if flag in flags - after.get(name, set())]
        if lost and name not in after and not name.startswith("~") and "$" not in name:
            return f"the cookie {name} is no longer {' and '.join(lost)} (proxy_cookie_flags)"
    return None
