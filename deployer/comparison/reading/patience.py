"""Sizes and times that a route had and has no more, however generous they still look. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deployer.comparison.asked import AnswerClass
from deployer.comparison.reading.standing import Standing, subrequest
from deployer.nginx.sites import effective
from deployer.nginx.tree import Directive
from deployer.nginx.upstreams import passing

UPLOADS, UPLOADS_DEFAULT = "client_max_body_size", 1024.0**2
BUFFERS, BUFFERS_DEFAULT = "large_client_header_buffers", 8 * 1024.0
HALF, TENTH = 0.5, 0.1
PAGE = 4 * 1024.0  #: a memory page, which is nginx's own size for an answer's headers
TIMEOUT_S, SHORT_S, LONG_S = 60.0, 2.0, 600.0
"""nginx's own timeout of an answer, one that some pages of most applications do not keep, and one that only
connections need which stay open."""

_READS = {f"{kind}_pass": f"{kind}_read_timeout" for kind in ("proxy", "fastcgi", "uwsgi", "scgi", "grpc")}
_SIZES: Mapping[str, float] = {"k": 1024.0, "m": 1024.0**2, "g": 1024.0**3}
_TIMES: Mapping[str, float] = {"ms": 0.001, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def smaller_uploads(was: Standing, now: Standing) -> str | None:
    """What users send to an application, of which half would be refused now."""
    if passing(was.location) is None or passing(now.location) is None or _taken(was, now):
        return None
    before, after = (_unlimited(measured(x, UPLOADS), said=directive(x, UPLOADS)) for x in (was, now))
    # A line that is taken out is seldom meant to make anything smaller.
    if after >= before * (1 if _depth(now, UPLOADS) < _depth(was, UPLOADS) else HALF):
        return None
    new, old = (text(x, UPLOADS) or "nginx's 1m" for x in (now, was))
    return f"{UPLOADS} is {new} now, {old} before: larger forms and uploads are refused (413)"


def smaller_for_the_login(was: Standing, now: Standing) -> str | None:
    """What asks who it is (``auth_request``) is asked with the size of the body: too large there is 500."""
    before, after = (subrequest(x) for x in (was, now))
    said = smaller_uploads(before, after) if before is not None and after is not None else None
    return said and f"in {after.path}, which is asked first: {said.replace('413', '500')}" if after else None


def shorter_answers(was: Standing, now: Standing) -> str | None:
    """An application that has much less time to answer."""
    old, new = passing(was.location), passing(now.location)
    if old is None or new is None or old.name not in _READS or new.name not in _READS:
        return None
    if _taken(was, now):
        return None
    name = _READS[new.name]
    before = measured(was, _READS[old.name]) or TIMEOUT_S
    after = measured(now, name) or TIMEOUT_S
    if after >= before or (after >= before * TENTH and after >= SHORT_S):
        return None
    return f"{name} is {after:g} s now, {before:g} s before: answers that take longer become 504"


def smaller_buffers(was: Standing, now: Standing) -> str | None:
    """What an application's headers have to fit into."""
    old, new = passing(was.location), passing(now.location)
    if old is None or new is None or old.name != new.name or _taken(was, now):
        return None
    name = f"{new.name.removesuffix('_pass')}_buffer_size"
    before, after = (measured(x, name) or PAGE for x in (was, now))
    if after >= before * HALF:
        return None
    said = text(now, name) or "nginx's own, 4k"
    return f"{name} is {said}, {text(was, name)} before: answers with larger headers (cookies) become 502"


def held_back(was: Standing, now: Standing, answer: AnswerClass | None) -> str | None:
    """Events, and whatever else comes bit by bit: a buffer waits until it is full."""
    old, new = passing(was.location), passing(now.location)
    if old is None or new is None or old.name != new.name or _taken(was, now):
        return None
    kind = new.name.removesuffix("_pass")
    if text(was, f"{kind}_buffering") != "off" or text(now, f"{kind}_buffering") == "off":
        return None
    streams = answer is not None and answer.page is not None and answer.page.kind == "text/event-stream"
    if not streams and (measured(was, _READS.get(old.name, "")) or 0) < LONG_S:
        return None
    return f"{kind}_buffering off is gone: events are held back until there are enough of them"


def crowded_out(was: Standing, now: Standing, answer: AnswerClass | None) -> str | None:
    """Cookies that live sets there, and that come back as a line which is too long now."""
    if answer is None or answer.page is None:
        return None
    set_here = [value.partition(";")[0] for name, value in answer.page.headers if name == "set-cookie"]
    line = len("Cookie: \r\n") + len("; ".join(set_here))
    before, after = (measured(x, BUFFERS) or BUFFERS_DEFAULT for x in (was, now))
    if not set_here or line <= after or line > before:
        return None
    return f"{BUFFERS} is {text(now, BUFFERS)}: the cookies that are set there ({line} bytes) become 400"


def larger_here(standing: Standing) -> bool:
    """Whether the location itself takes larger bodies than what is around it: somebody sends them there."""
    if standing.location is None or standing.location.directive.first(UPLOADS) is None:
        return False
    here = _unlimited(measured(standing, UPLOADS), said=directive(standing, UPLOADS))
    outer = effective(standing.scope[:-1], UPLOADS)[-1:]
    around = _bytes(outer[0].args[-1]) if outer and outer[0].args else UPLOADS_DEFAULT
    return here > around


def _bytes(text: str) -> float:
    """``0``, which is no limit, and what cannot be read: more than any size."""
    match = re.fullmatch(r"(\d+)([kKmMgG]?)", text)
    size = int(match[1]) * _SIZES.get(match[2].lower(), 1.0) if match else 0.0
    return size or float("inf")


def directive(standing: Standing, name: str) -> Directive | None:
    """The directive that holds, also one of the main or the events block."""
    found = effective(standing.scope, name)
    if found:
        return found[-1]
    root = standing.root
    blocks = [d for d in root if d.name == "events"]
    return next((d for d in (*root, *(x for b in blocks for x in b.block or ())) if d.name == name), None)


def measured(standing: Standing, name: str) -> float | None:
    """A size in bytes, a time in seconds, a number; ``None``: nginx's default, or no limit."""
    found = directive(standing, name)
    match = re.fullmatch(r"(\d+)(ms|[kKmMgGshd]?)", found.args[-1]) if found and found.args else None
    if match is None:
        return None
    number, unit = float(match[1]), match[2]
    factor = _TIMES.get(unit, 1.0) if name.endswith("timeout") else _SIZES.get(unit.lower(), 1.0)
    return None if name == UPLOADS and number == 0 else number * factor


def text(standing: Standing, name: str) -> str:
    """What is written there; nothing: nothing is."""
    found = directive(standing, name)
    return " ".join(found.args) if found is not None else ""


def _unlimited(size: float | None, *, said: Directive | None) -> float:
    if size is not None:
        return size
    return UPLOADS_DEFAULT if said is None else float("inf")


def _depth(standing: Standing, name: str) -> int:
    """How far inside the block stands whose directive holds; 0: none of them has one."""
    found = [number for number, block in enumerate(standing.scope, 1) if block.first(name) is not None]
    return found[-1] if found else 0


def _taken(was: Standing, now: Standing) -> bool:
    """Whether a regular expression answers that did not: its own kind of route, with limits of its own."""
    old, new = was.location, now.location
    return new is not None and new.regex and (old is None or old.pattern != new.pattern)
