"""What a browser makes of the headers of a page that comes as well as before. Pure.

Each of these leaves status and body as they are, and the page in pieces: the cookie never comes back, the
style sheet is not loaded, letters are garbled, tomorrow's page is last year's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from urllib.parse import unquote

from deployer.comparison import origins
from deployer.comparison.asked import AnswerClass, Page, Question

DAY_S = 86_400
LONG_S = 30 * DAY_S
"""A page that browsers keep so long cannot be mended for those who have it."""

_LOADS = ("default-src", "script-src", "style-src", "img-src")
_READ = ("text/html", "application/xhtml+xml", "text/css", "text/javascript", "application/javascript")
_FAREWELL = re.compile(r"log_?-?out|sign_?-?out|log_?-?off|goodbye|session", re.IGNORECASE)
_ATTRIBUTES = frozenset(
    ("expires", "max-age", "domain", "path", "secure", "httponly", "samesite", "priority", "partitioned")
) | {"version", "comment", "commenturl", "discard", "port"}  # the second line: of before RFC 6265
_SAME_SITE = ("strict", "lax", "none")
_WORDS: Mapping[str, frozenset[str]] = {
    "X-Content-Type-Options": frozenset(("nosniff",)),
    "Referrer-Policy": frozenset(
        (
            *("no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin"),
            *("origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url"),
        )
    ),
    "Cross-Origin-Opener-Policy": frozenset(
        ("unsafe-none", "same-origin-allow-popups", "same-origin", "noopener-allow-popups")
    ),
    "Cross-Origin-Embedder-Policy": frozenset(("unsafe-none", "require-corp", "credentialless")),
    "Cross-Origin-Resource-Policy": frozenset(("same-site", "same-origin", "cross-origin")),
}
"""Headers of which browsers know a few words, and pass over any other (Fetch, HTML, Referrer Policy)."""

_POLICIES = (
    *("default-src", "script-src", "script-src-elem", "style-src", "style-src-elem", "img-src", "font-src"),
    *("connect-src", "media-src", "object-src", "frame-src", "child-src", "worker-src", "manifest-src"),
    *("base-uri", "form-action", "frame-ancestors", "sandbox", "report-uri", "report-to"),
    *("upgrade-insecure-requests", "require-trusted-types-for", "trusted-types", "block-all-mixed-content"),
    *("script-src-attr", "style-src-attr", "prefetch-src", "navigate-to", "fenced-frame-src"),
)
"""Names of Content Security Policy Level 3, and of before."""

_QUOTED = frozenset(
    ("self", "none", "unsafe-inline", "unsafe-eval", "strict-dynamic", "unsafe-hashes", "report-sample")
)
"""Sources that are words only with quotes around them (Content Security Policy Level 3, 2.3.1)."""

_ALIKE = 0.85
"""A name so near to a known one (difflib's ratio) is a slip; others may be newer than this list."""

_IN_NO_FRAME = frozenset(("deny", "sameorigin"))
_SAME = {"utf8": "utf-8", "": "utf-8"}  # what browsers take for granted of a page that says nothing, mostly

Rule = Callable[[Question, Page, Page], str | None]


def unhappy(question: Question, old: AnswerClass, new: AnswerClass) -> str | None:
    """Why a browser shows less than before, as the end of a sentence; ``None``: it does not."""
    if reason := origins.unread(question, old, new):
        return reason
    if old.page is None or new.page is None or not (old.shown and new.shown):
        return None
    was, now = old.page, new.page
    return next((reason for rule in _RULES if (reason := rule(question, was, now))), None)


def _cookies(question: Question, was: Page, now: Page) -> str | None:
    """A cookie that is set for places that this page is none of.

    That one is not set at all says nothing by itself: applications set them when they like.
    """
    before, after = _set(was), _set(now)
    for name, old in before.items():
        if name not in after:
            continue
        for what, comes in (("path", _path_comes), ("domain", _domain_comes)):
            here = {"path": question.path.partition("?")[0], "domain": question.name}[what]
            said = after[name].get(what, "")
            if comes(old.get(what, ""), here) and not comes(said, here):
                return f"the cookie {name} is for {said} now, so this page never gets it back"
    return None


def _set(page: Page) -> Mapping[str, Mapping[str, str]]:
    found = {}
    for key, value in page.headers:
        if key == "set-cookie":
            name, *rest = value.split(";")
            pairs = (part.partition("=") for part in rest)
            found[name.partition("=")[0].strip()] = {k.strip().lower(): v.strip() for k, _, v in pairs}
    return found


def _garbled(_: Question, was: Page, now: Page) -> str | None:
    """A cookie with words behind it that mean nothing, as ``proxy_cookie_path`` leaves them."""
    before, after = _set(was), _set(now)
    for name, said in after.items():
        if name in before and (word := _meaningless(said)) and not _meaningless(before[name]):
            return f"the cookie {name} says {word}, which means nothing to browsers"
    return None


def _meaningless(said: Mapping[str, str]) -> str | None:
    unknown = next((key for key in said if key and key not in _ATTRIBUTES), None)
    if unknown is None and said.get("samesite", "lax").lower() not in _SAME_SITE:
        return f"SameSite={said['samesite']}"
    return unknown


def _path_comes(said: str, here: str) -> bool:
    """Whether a cookie for a path comes back to another (RFC 6265, 5.1.4)."""
    if not said.startswith("/"):
        return True
    said, here = unquote(said), unquote(here)
    return here == said or here.startswith(said if said.endswith("/") else said + "/")


def _domain_comes(said: str, here: str) -> bool:
    """Whether a cookie for a domain is accepted from a name (RFC 6265, 5.1.3)."""
    said = said.lower().lstrip(".")
    return not said or here == said or here.endswith("." + said)


def _kept(_: Question, was: Page, now: Page) -> str | None:
    """A page, not a picture, that browsers are told to keep."""
    if now.kind != "text/html" or _age_s(was) >= LONG_S or _age_s(now) < LONG_S:
        return None
    return f"browsers keep the page for {_age_s(now) // DAY_S} days now, whatever becomes of it"


def _age_s(page: Page) -> int:
    said = (page.header("cache-control") or "").lower()
    found = re.search(r"\bmax-age\s*=\s*\"?(\d{1,12})", said)
    if found is None or re.search(r"\bno-(cache|store)\b", said):
        return 0
    return int(found[1])


def _policy(_: Question, was: Page, now: Page) -> str | None:
    """A policy under which a page can load nothing at all."""
    if now.kind != "text/html" or _nothing(was) or not _nothing(now):
        return None
    return "its Content-Security-Policy lets browsers load none of its styles, scripts and pictures"


def _nothing(page: Page) -> bool:
    said = _policies(page)
    allowed = [said[name] for name in _LOADS if name in said]
    return "default-src" in said and all(sources in ([], ["'none'"]) for sources in allowed)


def _letters(_: Question, was: Page, now: Page) -> str | None:
    """The same bytes, said to be another alphabet."""
    same = was.digest and was.digest == now.digest
    if same and now.garbled and not was.garbled:
        return f"said to be {_charset(now)} now, which its bytes are not"
    if was.kind != now.kind or not was.kind.startswith("text/") or not same:
        return None
    before, after = _charset(was), _charset(now)
    if before != "utf-8" or after == "utf-8":
        return None
    return f"the same bytes are said to be {after} now"


def _charset(page: Page) -> str:
    found = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", (page.header("content-type") or "").lower())
    said = found[1] if found else ""
    return _SAME.get(said, said)


def _hidden(question: Question, was: Page, now: Page) -> str | None:
    """A site's first page that search engines are told to forget, and with it mostly the whole site."""
    if question.path.partition("?")[0] != "/" or _unlisted(was) or not _unlisted(now):
        return None
    return f"search engines are told to forget it (X-Robots-Tag: {now.header('x-robots-tag')})"


def _unlisted(page: Page) -> bool:
    said = (page.header("x-robots-tag") or "").lower()
    return {"noindex", "none"} & set(re.split(r"[\s,]+", said)) != set()


def _forgotten(question: Question, was: Page, now: Page) -> str | None:
    """A page that makes browsers forget who they are, and that is no farewell."""
    said = now.header("clear-site-data")
    if said is None or was.header("clear-site-data") is not None or _FAREWELL.search(question.path):
        return None
    return f"every visit makes browsers forget what they know of the site (Clear-Site-Data: {said})"


def _saved(_: Question, was: Page, now: Page) -> str | None:
    """A page to be read that browsers save as a file."""
    before, after = (
        (x.header("content-disposition") or "").lower().startswith("attachment") for x in (was, now)
    )
    if before or not after or now.kind not in _READ:
        return None
    return "browsers save the page as a file now (Content-Disposition: attachment)"


def _public(_: Question, was: Page, now: Page) -> str | None:
    """A page that sets a cookie, which anybody between may keep for everybody."""
    if now.header("set-cookie") is None or _shared(was) or not _shared(now):
        return None
    return (
        f"it sets a cookie, and whoever is between may keep it (Cache-Control: {now.header('cache-control')})"
    )


def _shared(page: Page) -> bool:
    """Whether caches that serve many are told to keep it."""
    said = (page.header("cache-control") or "").lower()
    if re.search(r"\b(private|no-store|no-cache)\b", said):
        return False
    return "public" in said or "s-maxage" in said


def _packed(_: Question, was: Page, now: Page) -> str | None:
    """The same bytes, said to be packed: browsers unpack what is not, and show nothing."""
    said = now.header("content-encoding")
    same = was.digest and was.digest == now.digest
    if not same or was.header("content-encoding") is not None or said in (None, "", "identity"):
        return None
    return f"the same bytes are said to be packed now (Content-Encoding: {said}): nobody can unpack them"


def _pieces(_: Question, was: Page, now: Page) -> str | None:
    """Films and music of which nobody can get a part: players cannot jump in them."""
    if not was.kind.startswith(("video/", "audio/")) or was.kind != now.kind:
        return None
    before, after = ((page.header("accept-ranges") or "").lower() for page in (was, now))
    return (
        "no part of it can be asked for any more: players cannot jump" if before == "bytes" != after else None
    )


def _two_types(_: Question, was: Page, now: Page) -> str | None:
    """Two types that are not the same, of which every client takes another one."""
    before, after = _types(was), _types(now)
    if len(after) < 2 or len(before) > 1:
        return None
    return f"two types at once: Content-Type is {' and '.join(after)}"


def _types(page: Page) -> tuple[str, ...]:
    said = (value.partition(";")[0].strip().lower() for key, value in page.headers if key == "content-type")
    return tuple(dict.fromkeys(said))


def _framed(_: Question, was: Page, now: Page) -> str | None:
    """A word that no browser knows, where one kept the page out of others' frames."""
    said = now.header("x-frame-options")
    if said is None or not _keeps_out(was) or _keeps_out(now):
        return None
    if "frame-ancestors" in (now.header("content-security-policy") or ""):
        return None
    return f"any site may show it in a frame: no browser knows X-Frame-Options: {said}"


def _keeps_out(page: Page) -> bool:
    said = (page.header("x-frame-options") or "").lower()
    return bool(_IN_NO_FRAME & {word.strip() for word in said.split(",")})


def _unknown(_: Question, was: Page, now: Page) -> str | None:
    """A word that no browser knows in a header that guards users, where it was one that they know."""
    for title, known in _WORDS.items():
        said = now.header(title.lower())
        if said is not None and _known(was, title, known) and not _known(now, title, known):
            return f"no browser knows {title}: {said}"
    quoted = {word.strip("'") for word in _sources(was) if word.strip("'") in _QUOTED}
    bare = sorted(quoted & set(_sources(now)) - set(_sources(was)))
    if bare:
        return f"Content-Security-Policy: {bare[0]} without its quotes is the name of a host"
    for name in sorted(_policies(now).keys() - _policies(was).keys()):
        if name not in _POLICIES and (near := get_close_matches(name, _POLICIES, n=1, cutoff=_ALIKE)):
            return f"no browser knows {name} in Content-Security-Policy; is {near[0]} meant?"
    return None


def _sources(page: Page) -> list[str]:
    return [word for words in _policies(page).values() for word in words]


def _known(page: Page, title: str, known: frozenset[str]) -> bool:
    words = (word.partition(";")[0].strip() for word in (page.header(title.lower()) or "").lower().split(","))
    return any(word in known for word in words)


def _policies(page: Page) -> Mapping[str, list[str]]:
    parts = (part.split() for part in (page.header("content-security-policy") or "").lower().split(";"))
    return {words[0]: words[1:] for words in parts if words}


_RULES: tuple[Rule, ...] = (
    _unknown,
    _cookies,
    _garbled,
    _kept,
    _policy,
    _letters,
    _packed,
    _pieces,
    _two_types,
    _framed,
    _hidden,
    _forgotten,
    _saved,
    _public,
)
