"""What has taken the place of an application, as nobody means it. Pure.

Who hands a request on and leaves the directive out still has a location: it looks for files that never were
there. Behind a login no answer shows it; elsewhere it may look like any other page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.judge import DATA
from deployer.comparison.reading.foresight import Foresight
from deployer.comparison.reading.standing import Standing
from deployer.comparison.reading.telling import same_location
from deployer.nginx.handlers import FILES, GENERATED
from deployer.nginx.sites import Sites, effective
from deployer.nginx.upstreams import members, passing
from deployer.nginx.variables import names

_CONTENT = (
    *FILES,
    *GENERATED,
    "return",
    "rewrite",
    "if",
    "location",
    "deny",
    "internal",
    "access_by_lua_block",
)
_NO_FILES = (
    *GENERATED,
    "return",
    "rewrite",
    "root",
    "alias",
    "autoindex",
    "random_index",
    "access_by_lua_block",
)
_BY_NGINX = re.compile(
    r"health|ping|alive|ready|status|version|beacon|pixel|robots|favicon|well-known|metrics"
)
"""What people let nginx answer by itself on purpose."""


def not_handed_on(was: Standing, now: Standing) -> str | None:
    """A location that handed requests on, and in which nothing at all answers any more."""
    before, here = passing(was.location), now.location
    if before is None or passing(here) is not None or now.way.answer is not None:
        return None
    if here is None:
        nothing = now.server.directive.first("return", "rewrite", "try_files") is None and not _directory(now)
        return f"nothing answers there any more: {before.name} is gone with its location" if nothing else None
    if not same_location(was, now) or here.directive.first(*_CONTENT) is not None:
        return None
    return f"{here.title} hands nothing on any more: {before.name} is gone"


def narrowed(was: Standing, now: Standing) -> str | None:
    """A location that handed on all that is below it, and takes its own path only."""
    old = was.location
    if old is None or old.kind not in ("", "^~") or old.pattern == "/" or passing(old) is None:
        return None
    same = [x.kind for x in now.server.every if x.pattern == old.pattern]
    if same != ["="] or same_location(was, now) or passing(now.location) is not None:
        return None
    return f"location = {old.pattern} takes that path alone: what is below it is handed on no more"


def by_a_text(was: Standing, now: Standing) -> str | None:
    """A text for everybody, where an application answered, or where a ``rewrite`` led on what is below."""
    if not same_location(was, now) or passing(now.location) is not None:
        return None
    here, said = now.location, now.way.answer
    if here is None or said is None or said.name != "return" or _BY_NGINX.search(here.pattern.lower()):
        return None
    if said.args[:1] != ("200",) or said not in here.directive.all("return"):
        return None
    if passing(was.location) is not None:
        return f"{here.title} answers everybody with a text of its own: no application is asked any more"
    led = was.location.directive.first("rewrite") if was.location is not None else None
    below = here.kind != "=" and led is not None
    return f"{here.title} answers all that is below it with one text" if below else None


def one_for_all(was: Standing, now: Standing) -> str | None:
    """A file for each path that a pattern takes, of which the part that tells them apart is gone."""
    here = now.location
    if here is None or not here.regex or not same_location(was, now):
        return None
    before, after = ({n for d in effective(s.scope, "alias") for n in names(d.args[0])} for s in (was, now))
    lost = sorted(n for n in before - after if n.isdigit() or f"<{n}>" in here.pattern)
    if not lost or not effective(now.scope, "alias"):
        return None
    return f"{here.title}: alias has no ${lost[-1]} any more, so that all paths lead to the same"


def without_root(was: Standing, now: Standing) -> str | None:
    """Files that were looked for in a directory that was named, and now are where nginx was built."""
    if not same_location(was, now) or passing(now.location) is not None or now.way.answer is not None:
        return None
    if _directory(now) or not _directory(was) or now.scope[-1].first(*_NO_FILES) is not None:
        return None
    return "files are looked for, and nobody says where: the root that held there is gone"


def _directory(standing: Standing) -> bool:
    return any(effective(standing.scope, name) for name in ("root", "alias"))


def crossed(insight: Foresight, questions: Sequence[Question]) -> Iterator[tuple[Question, str]]:
    """An upstream that asks the servers that another one, which is still there, had for something else.

    Where the answers are known to be the same pages, it does not matter who gave them.
    """
    before, after = _groups(insight.live), _groups(insight.candidate)
    for name, now in after.items():
        was = before.get(name, frozenset())
        others = [n for n, servers in before.items() if n != name and servers == now and n in after]
        if not was or not others or not was.isdisjoint(now) or not questions:
            continue
        asked = [q for q in questions if _asks(insight.standing(insight.candidate, q), name)]
        if asked and all(_same_page(insight.before.get(q), insight.after.get(q)) for q in asked):
            continue
        said = f"upstream {name} asks the servers of {others[0]}, which has them for something else"
        yield (asked or questions)[0], said


def page_by_application(was: Standing, now: Standing) -> str | None:
    """A page for errors that was a file: when the application fails, it is asked for that as well."""
    here = now.location
    if here is None or here.kind != "=" or not same_location(was, now):
        return None
    if passing(was.location) is not None or passing(here) is None:
        return None
    pages = [d.args for d in effective(now.server.scope, "error_page") if d.args[-1:] == (here.pattern,)]
    codes = sorted({word for page in pages for word in page if re.fullmatch("50[234]", word)})
    return (
        f"the page for {', '.join(codes)} is asked of the application, which is what fails" if codes else None
    )


def page_for_programs(was: Standing, now: Standing, answer: AnswerClass | None) -> str | None:
    """Pages for people in place of what an application says of its errors to programs."""
    if answer is None or answer.page is None or not DATA.fullmatch(answer.page.kind):
        return None
    directive = passing(now.location)
    if directive is None or not same_location(was, now):
        return None
    name = f"{directive.name.removesuffix('_pass')}_intercept_errors"
    on = [[d.args for d in effective(s.scope, name)][-1:] == [("on",)] for s in (was, now)]
    if on != [False, True]:
        return None
    pages = [d.args for d in effective(now.scope, "error_page") if {"400", "404", "422"} & {*d.args}]
    people = [args[-1] for args in pages if args[-1].startswith("/")]
    return f"programs get the page {people[0]} for the application's own 4xx ({name})" if people else None


def _groups(sites: Sites) -> dict[str, frozenset[str]]:
    """The servers of each upstream."""
    found = sites.config.find("upstream") if sites.config is not None else ()
    return {group.args[0]: members(sites, group.args[0]) for group, _ in found if group.args}


def _asks(standing: Standing | None, name: str) -> bool:
    directive = passing(standing.location) if standing is not None else None
    text = directive.args[0] if directive is not None and directive.args else ""
    return re.fullmatch(rf"(\w+://)?{re.escape(name)}(/.*)?", text, re.DOTALL) is not None


def _same_page(old: AnswerClass | None, new: AnswerClass | None) -> bool:
    if old is None or new is None or old.page is None or new.page is None or not old.shown:
        return False
    return bool(old.page.digest) and old.page.digest == new.page.digest
