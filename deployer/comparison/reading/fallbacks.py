"""Where nginx looks for an answer, and what it does not come to any more. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from deployer.comparison.asked import Question
from deployer.comparison.reading.foresight import Foresight
from deployer.comparison.reading.pools import servers
from deployer.comparison.reading.standing import Standing
from deployer.comparison.reading.telling import same_location
from deployer.nginx.samples import matches, samples
from deployer.nginx.sites import Location, Server, effective, written
from deployer.nginx.tree import Directive
from deployer.nginx.upstreams import passing
from deployer.nginx.variables import names

_WITNESSES = 4


def never_tried(was: Standing, now: Standing) -> str | None:
    """What ``try_files`` looks for behind something that is always there, or no more at all."""
    old, new = (_tried(s) for s in (was, now))
    if not old or not new or not same_location(was, now):
        return None
    return _always_first(old, new) or _unled(now.server, old, new)


def _tried(standing: Standing) -> tuple[str, ...]:
    found = standing.scope[-1].first("try_files")
    return found.args if found is not None else ()


def _always_first(old: Sequence[str], new: Sequence[str]) -> str | None:
    """The same in another order: a file that is always the same one before one that depends on who asks."""
    if sorted(old) != sorted(new):
        return None
    for number, fixed in enumerate(new[:-1]):
        behind = [one for one in new[number + 1 : -1] if names(one)]
        before = [one for one in behind if not names(fixed) and old.index(one) < old.index(fixed)]
        if before:
            return f"try_files finds {fixed} first: {before[0]} is never looked for"
    return None


def _unled(server: Server, old: Sequence[str], new: Sequence[str]) -> str | None:
    """A named location that is still there, and to which nothing leads any more."""
    name = old[-1]
    if not name.startswith("@") or new[-1] == name or not new[-1].startswith("="):
        return None
    if all(f"@{one.pattern}" != name for one in server.every if one.kind == "@"):
        return None
    if server.text.count(f"'{name}'") > 1:  # the location's own name, and somebody else's
        return None
    return f"nothing leads to {name} any more: what it has is answered {new[-1].lstrip('=')}"


def path_info(was: Standing, now: Standing) -> str | None:
    """What stands behind a script's name, which the script was told."""
    before, after = _told(was), _told(now)
    if not before or not same_location(was, now) or passing(now.location) is None:
        return None
    forgets = now.scope[-1].first("try_files") is not None
    if "fastcgi_path_info" in names(after) and forgets and "fastcgi_path_info" not in names(before):
        return "the script is told an empty PATH_INFO: try_files empties $fastcgi_path_info; set keeps it"
    return None


def cut_short(was: Standing, now: Standing) -> str | None:
    """A pattern that let something stand behind the script's name, which is what PATH_INFO is made of."""
    old = was.location
    if old is None or not old.regex or not _told(was) or same_location(was, now):
        return None
    path = was.path.partition("?")[0]
    kept = [one for one in now.server.every if one.regex and _body(one) == _body(old)]
    if not kept or not re.search(r"\.php/", path) or any(one.holds(path) for one in kept):
        return None
    return f"{kept[0].title} takes no path with something behind the script's name: PATH_INFO is never told"


def _body(location: Location) -> str:
    """What a location says, whatever it is for."""
    return " ".join(written(d) for d in location.directive.block or ())


def _told(standing: Standing) -> str:
    said = [d.args[1] for d in effective(standing.scope, "fastcgi_param") if d.args[:1] == ("PATH_INFO",)]
    return said[-1] if said else ""


def passed_over(insight: Foresight, questions: Sequence[Question]) -> Iterator[tuple[Question, str]]:
    """What a server has lost without a question that would show it; each once."""
    for question, was, now in servers(insight, questions):
        for reason in (_not_sent(was, now), _rewritten_before(was, now), _turned_out(was, now)):
            if reason:
                yield question, reason


def _not_sent(was: Server, now: Server) -> str | None:
    """A place that only applications name (``X-Accel-Redirect``): nothing in nginx leads there."""
    if not all(any(passing(one) for one in server.every) for server in (was, now)):
        return None
    kept = {one.pattern for one in now.every}
    for one in was.every:
        directive = one.directive
        if one.kind == "@" or one.regex or directive.first("internal") is None or one.pattern in kept:
            continue
        hands_out = passing(one) is not None or directive.first("alias", "root") is not None
        path = one.pattern.rstrip("/")
        if hands_out and was.text.count(path) == written(directive).count(path):
            return f"{one.title} is gone: applications name it (X-Accel-Redirect), and nginx answers 404"
    return None


def _rewritten_before(was: Server, now: Server) -> str | None:
    """A ``rewrite`` that stays, and before which a new one takes all that it took."""
    before, after = (server.directive.all("rewrite") for server in (was, now))
    known = {one.args for one in before}
    for one in before:
        if len(one.args) < 2 or one.args not in {x.args for x in after}:
            continue
        mine = [x for x in samples(one.args[0], begin="/", limit=_WITNESSES) if _first(before, x) is one]
        taken = [_first(after, text) for text in mine]
        if mine and all(x is not None and x.args not in known and _ends(x) for x in taken):
            first = taken[0].args[0] if taken[0] is not None else ""
            return f"rewrite {one.args[0]} is reached no more: {first} before it takes all that it took"
    return None


def _turned_out(was: Server, now: Server) -> str | None:
    """Inner addresses that users are sent to, and arguments that were held back and go along."""
    places = [(was.directive, now.directive)]
    same = {(one.kind, one.pattern): one for one in was.every}
    places += [
        (same[key].directive, one.directive) for one in now.every if (key := (one.kind, one.pattern)) in same
    ]
    for old, new in places:
        before = {d.args[:2]: d.args[2:] for d in old.all("rewrite")}
        for one in new.all("rewrite"):
            what, flag = one.args[:2], one.args[2:]
            if flag[:1] not in (("redirect",), ("permanent",)) or len(what) < 2:
                continue
            if before.get(what) in (("last",), ("break",)) and re.search(r"\?|\.(php|cgi|pl|py)\b", what[1]):
                return f"rewrite {what[0]} shows users the inner address {what[1]}, and drops what they send"
            if before.get((what[0], f"{what[1]}?")) == flag:
                return f"rewrite {what[0]} hands the old arguments on as well: the ? behind {what[1]} is gone"
    return None


def _first(rewrites: Sequence[Directive], path: str) -> Directive | None:
    return next((r for r in rewrites if len(r.args) > 1 and matches(r.args[0], path)), None)


def _ends(rewrite: Directive) -> bool:
    """Whether those behind it are not looked at any more."""
    return rewrite.args[-1] in ("last", "break", "redirect", "permanent")
