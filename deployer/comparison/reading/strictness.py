"""Whether a limit of requests or of connections is too strict, by itself or beside what live had. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.comparison.pace import Crowd, Limiter

CROWD = 10
"""Users at the same time that a site has to stand, of those who are counted together."""

MUCH = 10
"""So many times stricter than live's is another limit, not the same one adjusted."""


def rate(
    live: Sequence[Limiter], candidate: Sequence[Limiter], *, calm: bool, apart: bool = False
) -> str | None:
    """Why the request limits of a route refuse users whom live's let in.

    :param calm: few requests of one user are enough there (a login).
    :param apart: a part of the site has a location, and a limit, of its own from now on.
    """
    for limit in candidate:
        same = [x for x in live if x.shared == limit.shared]
        if any(x.key == limit.key and x.rate <= limit.rate and x.burst <= limit.burst for x in same):
            continue
        if reason := _too_tight(limit, calm=calm) or _tightened(limit, same, calm=calm or apart):
            return reason
    return None


def crowd(live: Sequence[Crowd], candidate: Sequence[Crowd], *, whole: bool) -> str | None:
    """Why the connection limits of a route refuse users whom live's let in.

    :param whole: the route is the whole site, which a browser asks for many things at once.
    """
    for limit in candidate:
        same = [x.most for x in live if x.key == limit.key]
        if any(most <= limit.most for most in same):
            continue
        if reason := _too_few(limit, whole=whole):
            return reason
        if same and min(same) >= limit.most * MUCH:
            return f"limit_conn {limit.zone} lets {limit.most} in at once, {min(same)} before"
    return None


def _too_tight(limit: Limiter, *, calm: bool) -> str | None:
    if limit.shared:
        if limit.rate + limit.burst < CROWD:
            return f"limit_req {limit.zone} counts all users together: the next ones get an error"
        return None
    # A form is fetched, and then sent: two requests, wherever it is.
    if limit.rate < 1 and limit.burst < (1 if calm else 5):
        return f"limit_req {limit.zone} refuses the second request of a user"
    if not calm and limit.rate < 10 and limit.burst < 2:
        return f"limit_req {limit.zone} refuses a page with its pictures: no burst"
    return None


def _tightened(limit: Limiter, live: Sequence[Limiter], *, calm: bool) -> str | None:
    """What stands by itself, but lets in far less than live did."""
    if not live or (calm and limit.rate >= 1 and limit.burst):
        return None
    before = min(x.rate for x in live)
    slow = limit.rate < 1 and limit.burst < 5 and limit.rate < before
    if slow or limit.rate * MUCH <= before:
        return f"limit_req {limit.zone} lets {_per(limit.rate)} in, {_per(before)} before"
    return None


def _too_few(limit: Crowd, *, whole: bool) -> str | None:
    if limit.shared and limit.most < CROWD:
        return f"limit_conn {limit.zone} lets {limit.most} in at once, of all users together"
    if whole and limit.most < 2:
        return f"limit_conn {limit.zone} lets a browser in once at a time"
    return None


def _per(rate_s: float) -> str:
    return f"{rate_s:g} a second" if rate_s >= 1 else f"{rate_s * 60:g} a minute"
