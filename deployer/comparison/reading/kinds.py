"""Files whose kind browsers are not told any more. Pure."""

from __future__ import annotations

from deployer.comparison.reading.standing import Standing
from deployer.nginx.sites import effective
from deployer.nginx.upstreams import passing

SHOWN = ("css", "js", "html", "png", "svg", "jpg", "woff2", "json")
"""Files that a page needs in their own type."""


def forgotten(was: Standing, now: Standing) -> str | None:
    """Browsers refuse a style sheet that is called a text."""
    if passing(now.location) is not None or now.scope[-1].first("return") is not None:
        return None
    before, after = _known(was), _known(now)
    lost = [ending for ending in SHOWN if ending in before and ending not in after]
    if not lost:
        return None
    return f"files .{', .'.join(lost[:4])} are served without their type (types, mime.types)"


def _known(standing: Standing) -> frozenset[str]:
    blocks = effective(standing.scope, "types")
    if not blocks:
        return frozenset(("html", "gif", "jpg"))
    return frozenset(ending for block in blocks for entry in block.block or () for ending in entry.args)
