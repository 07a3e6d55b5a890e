"""Two answers to one question: is the second worse for a user, only another one, or the same? Pure.

What an answer alone cannot say (was it meant?) is asked of the configurations, where they are known:
:class:`Insight`. Without them only what nobody ever means is called worse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from deployer.comparison import browsers, origins
from deployer.comparison.asked import AnswerClass, Page, Question, Rank

GUARDING = {
    "strict-transport-security": "Strict-Transport-Security",
    "content-security-policy": "Content-Security-Policy",
    "x-frame-options": "X-Frame-Options",
    "x-content-type-options": "X-Content-Type-Options",
    "referrer-policy": "Referrer-Policy",
    "permissions-policy": "Permissions-Policy",
    "cross-origin-opener-policy": "Cross-Origin-Opener-Policy",
    "cross-origin-embedder-policy": "Cross-Origin-Embedder-Policy",
    "cross-origin-resource-policy": "Cross-Origin-Resource-Policy",
    "access-control-allow-origin": "Access-Control-Allow-Origin",
}
"""Headers that keep users safe, or let a page talk to another: their loss is never harmless."""

_RENDERED = re.compile(r"text/(html|css|javascript)|application/(javascript|xhtml\+xml|wasm)|image/|font/")
_TEXT = ("text/plain",)
_RAW = ("application/octet-stream", "", *_TEXT)
DATA = re.compile(r"application/(.+\+)?json|application/(.+\+)?xml")
_ASK_ME_OTHERWISE = (400, 405, 406, 411, 415, 422)
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\.?|\[[0-9a-f:.]+\]")


class Insight(Protocol):
    """What the two configurations say of a question.

    (:class:`deployer.comparison.reading.foresight.Foresight` does.)
    """

    def meant(self, question: Question, new: AnswerClass) -> str | None:
        """Why a worse status is what the candidate says in so many words; ``None``: it does not."""

    def opened(self, question: Question) -> str | None:
        """Why an access that opens is what the candidate says in so many words."""

    def suspicion(self, question: Question, new: AnswerClass) -> str | None:
        """Why another content is no improvement; ``None``: nothing speaks against it."""

    def dropped(self, question: Question, header: str) -> bool:
        """Whether the candidate still has an ``add_header`` for it, which does not reach this question."""

    def typed(self, question: Question) -> bool:
        """Whether a text of the candidate's own is answered on purpose, in the type it was given."""

    def own_page(self, question: Question, status: int) -> bool:
        """Whether live or the candidate names a page of its own for that error."""

    def secret(self, question: Question, new: AnswerClass) -> bool:
        """Whether it is asked for because nobody should get it, and is not what everybody gets."""


@dataclass(frozen=True, slots=True)
class _Case:
    """Two answers to a question, and what the configurations say of it, where they are known."""

    question: Question
    old: AnswerClass
    new: AnswerClass
    insight: Insight | None


def worse(
    question: Question, old: AnswerClass, new: AnswerClass, insight: Insight | None = None
) -> str | None:
    """Why the new answer is worse, as the end of a sentence; ``None``: it is not."""
    if old.rank >= Rank.SERVER_ERROR:
        return None
    case = _Case(question, old, new, insight)
    return next((reason for rule in _RULES if (reason := rule(case))), None)


def changed(old: AnswerClass, new: AnswerClass) -> str | None:
    """What is another one now, as the end of a sentence."""
    if old.status != new.status:
        return f"{old.text} before, {new.text} now"
    if old.location != new.location:
        return f"redirected to {new.location} now, to {old.location} before"
    if old.names != new.names:
        return f"another certificate: for {', '.join(new.names[:3]) or 'nobody'} now"
    if old.page is None or new.page is None:
        return None
    if not old.shown:
        return _other_kind(old.page, new.page) if old.rank >= Rank.CLIENT_ERROR else None
    return _other_page(old.page, new.page)


def _other_kind(old: Page, new: Page) -> str | None:
    return f"{new.kind or 'no type'} now, {old.kind or 'no type'} before" if old.kind != new.kind else None


def _other_page(old: Page, new: Page) -> str | None:
    if other := _other_kind(old, new):
        return other
    if old.differs(new):
        return f"another content: {new.size} bytes now, {old.size} before"
    gone = sorted({n for n, _ in old.headers} - {n for n, _ in new.headers})
    if gone:
        return f"without the header {', '.join(gone[:3])} now"
    sets = sorted(_cookie_names(new) - _cookie_names(old))
    return f"it sets the cookie {', '.join(sets[:3])} now" if sets else None


def _cookie_names(page: Page) -> set[str]:
    return {value.partition("=")[0].strip() for key, value in page.headers if key == "set-cookie"}


def _rank(case: _Case) -> str | None:
    return f"{case.old.text} before, {case.new.text} now" if case.new.rank > case.old.rank else None


def _asked_otherwise(case: _Case) -> str | None:
    """An application that is there, and wants to be asked in another way, and now is not there any more.

    A GET for what takes only POST is answered with 405, one for a websocket with 426: no good answers, but it
    is the application that says so.
    """
    old, new = case.old, case.new
    if old.status == new.status or old.page is None or old.page.built_in or new.rank is Rank.NONE:
        return None
    if old.status == 426 and new.status != 101:
        return f"426 before, {new.text} now: websockets get through no more"
    data = old.rank is Rank.CLIENT_ERROR and old.status != 404 and DATA.fullmatch(old.page.kind)
    refused = old.status in _ASK_ME_OTHERWISE or data
    gone = new.status in (404, 410) or (new.page is not None and new.page.built_in)
    if not refused or not gone or new.rank is not Rank.CLIENT_ERROR:
        return None
    return f"{old.text} before, {new.text} now: the application that wants to be asked otherwise is not there"


def _certificate(case: _Case) -> str | None:
    old, new = case.old, case.new
    if old.verified and new.verified is False:
        return f"good before; now {new.distrust}"
    if old.fits and new.fits is False:
        return f"the certificate is for {', '.join(new.names[:3]) or 'nobody'} now"
    if old.current and new.current is False:
        return "the certificate is not valid at this time"
    return None


def _redirect(case: _Case) -> str | None:
    """What no redirect is meant to be: to no host, or without what was asked for."""
    target, was, status = case.new.location, case.old.location, case.new.status or 0
    if not target and status // 100 == 3 and (was or (case.old.status or 0) // 100 != 3):
        return f"{status} now, which leads nowhere: browsers show an empty page"
    if not target or target == was:
        return None
    parts = urlsplit(target)
    if parts.scheme in ("http", "https") and not _HOST.fullmatch((parts.hostname or "").lower()):
        return f"redirected to {target}, which is no address"
    if was is None or case.question.path == "/" or urlsplit(was).hostname != parts.hostname:
        return None
    before = urlsplit(was)
    path, _, query = case.question.path.partition("?")
    # The last word of the path, and the query, are in the old target or it never kept them.
    last = path.rstrip("/").rpartition("/")[2]
    for what, word, kept, now in (("path", last, before.path, parts.path), _query(query, before, parts)):
        if word and word in kept and word not in now:
            return f"redirected to {target} now, without the {what} that was asked for"
    return None


def _query(query: str, before: SplitResult, now: SplitResult) -> tuple[str, str, str, str]:
    return "arguments", query, before.query, now.query


def _access(case: _Case) -> str | None:
    if case.insight is None or not case.new.shown or case.old.rank is not Rank.CLIENT_ERROR:
        return None
    listed = case.new.page is not None and case.new.page.listing
    if case.insight.secret(case.question, case.new):
        return f"{case.old.text} before, {case.new.text} now: files can be read that nobody should have"
    if case.old.status not in (401, 403) and not listed:
        return None
    if case.insight.opened(case.question):
        return None
    what = "the directory can be listed" if listed else "the access is open"
    return f"{case.old.text} before, {case.new.text} now: {what}"


def _behind(case: _Case) -> str | None:
    """What a password guarded and is not there any more, though nobody took the password away."""
    if case.insight is None or case.old.status != 401 or case.new.status not in (404, 410):
        return None
    if case.insight.opened(case.question):
        return None
    return f"401 before, {case.new.text} now: what was behind the password is gone"


def _headers(case: _Case) -> str | None:
    old, new = case.old.page, case.new.page
    if case.insight is None or old is None or new is None:
        return None
    if (case.old.status or 0) // 100 != (case.new.status or 0) // 100:
        return None
    for name in dict.fromkeys(n for n, _ in old.headers):
        if new.header(name) is not None:
            continue
        if name in GUARDING and not _replaced(name, new) and not origins.decides(case.question, name):
            return f"the header {GUARDING[name]} is lost"
        if case.insight.dropped(case.question, name):
            return f"the header {name} is lost: an add_header in an inner block hides those outside"
    if _protects(old) and not _protects(new):
        return "Strict-Transport-Security is taken back (max-age is 0, or missing)"
    return _cookies(old, new)


def _replaced(name: str, page: Page) -> bool:
    policy = page.header("content-security-policy") or ""
    return name == "x-frame-options" and "frame-ancestors" in policy


def _protects(page: Page) -> bool:
    value = page.header("strict-transport-security") or ""
    return re.search(r"max-age\s*=\s*\"?0*[1-9]", value, re.IGNORECASE) is not None


def _cookies(old: Page, new: Page) -> str | None:
    def flags(page: Page) -> dict[str, set[str]]:
        found = {}
        for key, value in page.headers:
            if key == "set-cookie":
                name, *rest = value.split(";")
                found[name.partition("=")[0].strip()] = {x.strip().lower() for x in rest}
        return found

    now = flags(new)
    for name, had in flags(old).items():
        lost = {"secure", "httponly"} & had - now.get(name, had)
        if lost:
            return f"the cookie {name} is no longer {' and '.join(sorted(lost))}"
    return None


def _content(case: _Case) -> str | None:
    """Another page than before, of which something says that it is the wrong one."""
    was, now = case.old.page, case.new.page
    if case.insight is None or was is None or now is None or not (case.old.shown and case.new.shown):
        return None
    if now.unmade and not was.unmade:
        return "commands for server-side includes are sent to users (<!--#): ssi is off"
    if now.listing and not was.listing:
        return "a list of the directory instead of the page"
    if now.welcome and not was.welcome:
        return "nginx's own welcome page instead of the site's"
    return None if case.insight.typed(case.question) else _spoilt(case, was, now)


def _error_page(case: _Case) -> str | None:
    """The site's answer for an error, of which only nginx's own page is left.

    People read either, where it was the application that said so; programs do not.
    """
    was, now, status = case.old.page, case.new.page, case.new.status
    if case.insight is None or was is None or now is None or status is None or status != case.old.status:
        return None
    if was.built_in or not now.built_in:
        return None
    if DATA.fullmatch(was.kind):
        return f"{status} with nginx's own page now: programs got {was.kind} before"
    if not case.insight.own_page(case.question, status):
        return None
    return f"{status} with nginx's own page now: the site's own for it (error_page) is not there"


def _spoilt(case: _Case, was: Page, now: Page) -> str | None:
    if was.size and not now.size and case.new.status != 204:
        return "an empty page now"
    if was.kind == "text/html" and now.kind.startswith("image/"):
        return "a picture instead of the page"
    if _RENDERED.match(was.kind) and now.kind in _RAW and (not was.differs(now) or now.kind not in _TEXT):
        return f"{was.kind} before, {now.kind or 'no type'} now: browsers will not show it"
    return None


def _doubtful(case: _Case) -> str | None:
    """Another answer, of whatever kind, that the configurations speak against."""
    old, new = case.old, case.new
    if case.insight is None or new.rank is not Rank.GOOD:
        return None
    pages = old.page is not None and new.page is not None and old.page.differs(new.page)
    if old.status == new.status and old.location == new.location and not (old.shown and pages):
        return None
    return case.insight.suspicion(case.question, new)


def _browser(case: _Case) -> str | None:
    return None if case.insight is None else browsers.unhappy(case.question, case.old, case.new)


_RULES = (
    _rank,
    _asked_otherwise,
    _certificate,
    _redirect,
    _access,
    _behind,
    _headers,
    _content,
    _error_page,
    _browser,
    _doubtful,
)
