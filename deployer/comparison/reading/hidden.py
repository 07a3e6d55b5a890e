"""What an inner block hides of those around it, though it is still written there. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.comparison.judge import GUARDING
from deployer.comparison.reading.standing import Standing
from deployer.comparison.reading.telling import same_location
from deployer.nginx.sites import effective
from deployer.nginx.upstreams import passing

_TELLING: Mapping[str, str] = {
    "proxy_pass": "proxy_set_header",
    "grpc_pass": "grpc_set_header",
    "fastcgi_pass": "fastcgi_param",
    "uwsgi_pass": "uwsgi_param",
    "scgi_pass": "scgi_param",
}


def parameters(was: Standing, now: Standing) -> str | None:
    """What an application was told, and what only an outer block says now."""
    directive = passing(now.location)
    if directive is None or directive.name not in _TELLING or not same_location(was, now):
        return None
    name = _TELLING[directive.name]
    lost = _hidden(was, now, name)
    if not lost:
        return None
    return f"the application is no longer told {', '.join(lost[:3])}: an inner {name} hides the outer"


def guards(was: Standing, now: Standing) -> str | None:
    """Headers that guard users, where no question gets a page that would show them."""
    if not same_location(was, now) or now.way.answer is not None:
        return None
    lost = [GUARDING[name.lower()] for name in _hidden(was, now, "add_header") if name.lower() in GUARDING]
    if not lost:
        return None
    said = f"{', '.join(lost[:3])} {'is' if len(lost) == 1 else 'are'} lost"
    return f"{said}: an add_header in an inner block hides those outside"


def _hidden(was: Standing, now: Standing, name: str) -> list[str]:
    """First words of directives that held, and that stand outside of the block that hides them."""
    before, after = (
        {d.args[0].lower(): d.args for d in effective(s.scope, name) if len(d.args) > 1} for s in (was, now)
    )
    outside = {d.args[0].lower(): d.args for block in now.scope for d in block.all(name) if d.args}
    return [args[0] for key, args in before.items() if key in outside and key not in after]
