"""What strangers may do, and what becomes of what users send. No GET from the host shows it. Pure."""

from __future__ import annotations

import ipaddress

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.reading.patience import UPLOADS, larger_here
from deployer.comparison.reading.standing import Standing
from deployer.nginx.access import Access, access
from deployer.nginx.sites import ANY4, ANY6, effective
from deployer.nginx.upstreams import passing

_WRITING = frozenset(("PUT", "DELETE", "MKCOL", "COPY", "MOVE"))
_ORIGIN, _CREDENTIALS = "access-control-allow-origin", "access-control-allow-credentials"


def written_by_anybody(question: Question, was: Standing, now: Standing) -> str | None:
    """Files that whoever comes may put there and take away."""
    methods = _writes(now)
    if not methods or _writes(was) or _is_private(question.address, now):
        return None
    if access(now.scope) is not Access.OPEN or _asks_who(now) or _limits(now, methods):
        return None
    return f"anybody may write there (dav_methods {' '.join(methods)}): nothing asks who it is"


def open_to_all_pages(was: Standing, now: Standing) -> str | None:
    """Answers that any page in the world may read with the cookies of whoever looks at it."""
    if not _reflects(now) or _reflects(was) or passing(now.location) is None:
        return None
    if access(now.scope) is Access.CLOSED or _asks_who(now):
        return None
    return "any page may ask with its visitor's cookies: Access-Control-Allow-Origin is whatever Origin says"


def sent_elsewhere(was: Standing, old: AnswerClass | None, new: AnswerClass | None) -> str | None:
    """A redirect of what is sent: with 301 and 302 browsers ask the new address by GET."""
    if old is None or new is None or not old.shown or new.status not in (301, 302):
        return None
    if passing(was.location) is None or not larger_here(was):
        return None
    said = f"{UPLOADS} {was.location.directive.all(UPLOADS)[-1].args[-1]}" if was.location else UPLOADS
    keeps = {301: 308, 302: 307}[new.status]
    return (
        f"{new.status} now: browsers follow it by GET, without what was to be sent there ({said}); "
        f"{keeps} keeps it"
    )


def _writes(standing: Standing) -> tuple[str, ...]:
    said = effective(standing.scope, "dav_methods")[-1:]
    if passing(standing.location) is not None:
        return ()
    return tuple(word for d in said for word in d.args if word in _WRITING)


def _limits(standing: Standing, methods: tuple[str, ...]) -> bool:
    """Whether ``limit_except`` asks who it is, of all that write."""
    for block in (d for x in standing.scope for d in x.all("limit_except")):
        if not set(methods) & set(block.args):
            return block.first("deny", "auth_basic") is not None
    return False


def _asks_who(standing: Standing) -> bool:
    """Whether something else than ``allow``, ``deny`` and a password may turn strangers away."""
    if any(d.args != ("off",) for d in effective(standing.scope, "ssl_verify_client")):
        return True
    tests = [d for block in standing.scope for d in block.all("if")]  # 503: closed for all, and for a while
    return any(d.args[:1] and d.args[0][:1] == "4" for test in tests for d in test.all("return"))


def _is_private(address: str, standing: Standing) -> bool:
    """Whether that place can only be reached from within."""
    wild = any(x.address in (ANY4, ANY6) for x in standing.server.listens)
    try:
        return not wild and ipaddress.ip_address(address).is_private
    except ValueError:
        return True


def _reflects(standing: Standing) -> bool:
    said = {d.args[0].lower(): d.args[1] for d in effective(standing.scope, "add_header") if len(d.args) > 1}
    origin = said.get(_ORIGIN, "").strip("{}").replace("{", "")
    return origin == "$http_origin" and said.get(_CREDENTIALS, "").lower() == "true"
