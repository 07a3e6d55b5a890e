"""What a candidate adds to pages, and promises with them, and what else it has that does not fit. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from deployer.comparison.asked import AnswerClass, Page, Question
from deployer.comparison.reading.foresight import Foresight
from deployer.comparison.reading.standing import Standing
from deployer.comparison.reading.telling import same_location
from deployer.comparison.routes import BELOW
from deployer.nginx.sites import Sites, effective
from deployer.nginx.tree import Directive

PARTS = ("add_before_body", "add_after_body")
_DAY_S = 86_400
_FOR_FILES = re.compile(
    r"/(assets|static|js|css|scripts?|styles?|img|images?|fonts?|dist|build|bundles?)(/|$)|\b(js|css)\b.*\$$"
)
"""Places of what a page needs, and nobody looks at as a page."""

_WORDS = re.compile(r"text/.*|application/(.+\+)?(xml|javascript)|application/xhtml\+xml")
"""What people write, where one may want to replace words."""


def amiss(insight: Foresight, question: Question, old: AnswerClass, new: AnswerClass) -> str | None:
    """Why a page that comes is spoilt by what was added to it, as the end of a sentence."""
    was, now = insight.standing(insight.live, question), insight.standing(insight.candidate, question)
    if was is None or now is None or new.page is None:
        return None
    return (
        _vow(insight, question, old, new)
        or _part(insight, question, was, now)
        or _replaced(was, now, old.page, new.page)
        or _pretended(insight, question, (was, now), (old, new))
        or _swallowed(insight, question, (was, now), (old, new))
        or _said_fine(insight, question, (was, now), (old, new))
    )


def _replaced(was: Standing, now: Standing, old: Page | None, new: Page) -> str | None:
    """Data, or a picture, in which words are replaced since pages were meant."""
    if old is None or not old.differs(new) or old.kind != new.kind or _WORDS.fullmatch(new.kind):
        return None
    if not new.kind or not _everything(now) or _everything(was):
        return None
    return f"sub_filter_types *: {new.kind} is changed too, not pages alone"


def _everything(standing: Standing) -> bool:
    types = [a for d in effective(standing.scope, "sub_filter_types") for a in d.args]
    return "*" in types and bool(effective(standing.scope, "sub_filter"))


def _part(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    """A header or a footer that is not there: what is added is the page that says so."""
    before = set(parts(was.scope))
    for path in parts(now.scope):
        if path in before:
            continue
        asked = replace(question, path=path, said=())
        answer, there = insight.after.get(asked), insight.standing(insight.candidate, asked)
        if answer is None or answer.status is None or answer.status < 400 or there is None:
            continue
        if there.location is None or there.location.directive.first("internal") is None:
            return f"{path} is added to the page, and answers {answer.text}"
    return None


def parts(scope: Sequence[Directive]) -> Iterator[str]:
    """Paths of what is put before and behind the pages of a place, where they are written down."""
    for name in PARTS:
        for directive in effective(tuple(scope), name):
            if directive.args and directive.args[0].startswith("/") and "$" not in directive.args[0]:
                yield directive.args[0]


def _pretended(
    insight: Foresight,
    question: Question,
    standings: tuple[Standing, Standing],
    answers: tuple[AnswerClass, AnswerClass],
) -> str | None:
    """The front page for what is nowhere, where error_page still has a page that says so.

    An application of one page answers so on purpose; it has no use for a page that is never shown.
    """
    (was, now), (old, new) = standings, answers
    if old.status != 404 or not question.path.partition("?")[0].endswith(BELOW):
        return None
    if not _is_home(insight, question, new) or _tried(was) != ("=404",) or not _tried(now):
        return None
    if not (_says_missing(was) and _says_missing(now)):
        return None
    return "404 before, the front page now: try_files hides that a page is missing, and error_page says so"


def _swallowed(
    insight: Foresight,
    question: Question,
    standings: tuple[Standing, Standing],
    answers: tuple[AnswerClass, AnswerClass],
) -> str | None:
    """The front page for what a place of its own said is not there: browsers take it for a script."""
    (was, now), (old, new) = standings, answers
    if old.status != 404 or was.location is None or not _is_home(insight, question, new):
        return None
    if was.location.pattern == "/" or _tried(was) != ("=404",):
        return None
    said = "404 before, the front page now"
    if insight.fresh(now, was):  # the other way round: live has it, and the candidate does not
        return f"{said}: {was.location.title} is gone, and whoever asks there gets a page"
    kept = _is_kept(new.page)
    if not same_location(was, now) or not (kept or _FOR_FILES.search(was.location.pattern)):
        return None
    as_long = ", kept as long" if kept else ""
    return f"{said}: browsers take it for the script or picture that {was.location.title} is for{as_long}"


def _said_fine(
    insight: Foresight,
    question: Question,
    standings: tuple[Standing, Standing],
    answers: tuple[AnswerClass, AnswerClass],
) -> str | None:
    """The page that says that nothing is there, as if it were any page: search engines list it.

    An application of one page is the page for everything, and is well answered with 200.
    """
    (was, _), (old, new) = standings, answers
    if old.page is None or new.page is None or not new.shown or old.status not in (404, 410):
        return None
    own = any(str(old.status) in d.args for d in effective(was.scope, "error_page"))
    if not own or not old.page.digest or old.page.differs(new.page) or _is_home(insight, question, new):
        return None
    return f"{old.text} before, {new.text} now with the very same page: it is no page"


def _is_kept(page: Page | None) -> bool:
    said = (page.header("cache-control") or "").lower() if page is not None else ""
    age = re.search(r"max-age=(\d+)", said)
    return "immutable" in said or (age is not None and int(age[1]) >= _DAY_S)


def _is_home(insight: Foresight, question: Question, new: AnswerClass) -> bool:
    """Whether it is answered with the page of ``/``."""
    home = insight.after.get(replace(question, path="/", said=()))
    if home is None or home.page is None or new.page is None or not new.shown:
        return False
    return bool(home.page.digest) and not home.page.differs(new.page)


def _tried(standing: Standing) -> tuple[str, ...]:
    found = standing.scope[-1].first("try_files")
    return found.args[-1:] if found is not None else ()


def _says_missing(standing: Standing) -> bool:
    pages = effective(standing.scope, "error_page")
    return any("404" in d.args and not any(a.startswith("=") for a in d.args) for d in pages)


# --- a promise of TLS


def _vow(insight: Foresight, question: Question, old: AnswerClass, new: AnswerClass) -> str | None:
    """Strict-Transport-Security for all names below this one, of which some have no TLS."""
    listen = insight.candidate.listen_at(question.place)
    if listen is None or not listen.tls or not _for_all(new.page) or _for_all(old.page):
        return None
    without = next(_plain_below(insight.candidate, question.name), None)
    if without is None:
        return None
    return f"Strict-Transport-Security with includeSubDomains: browsers want TLS of {without}, which has none"


def _for_all(page: Page | None) -> bool:
    said = (page.header("strict-transport-security") or "").lower() if page is not None else ""
    return "includesubdomains" in said and re.search(r"max-age\s*=\s*\"?0+\b", said) is None


def _plain_below(sites: Sites, name: str) -> Iterator[str]:
    """Names below another that some server has, and none with TLS."""
    if not name:
        return
    tls = [x.place for x in sites.listens if x.tls]
    for server in sites.servers:
        if any(x.tls for x in server.listens) or all(x.local for x in server.listens):
            continue
        for one in server.names:
            if not one.endswith("." + name) or one.startswith(("~", "*", ".")):
                continue
            chosen = [sites.choose(place, one) for place in tls]
            if not any(c is not None and c.listed for c in chosen):
                yield one
