"""What a cache would give to the wrong request, or to the wrong user. Pure.

No question shows it: the first answer of a fresh cache is always right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from deployer.comparison.asked import AnswerClass
from deployer.comparison.reading.standing import Standing
from deployer.nginx import arguments
from deployer.nginx.paths import read_path
from deployer.nginx.sites import effective
from deployer.nginx.upstreams import passing
from deployer.nginx.values import value
from deployer.nginx.variables import names

DEFAULT_KEY: Mapping[str, str] = {"proxy": "$scheme$proxy_host$request_uri"}
FILES = re.compile(
    r"text/css|(text|application)/(x-)?javascript|(image|font|audio|video)/.+|application/wasm"
)
"""What is the same for everybody, whoever asks."""
_WITHOUT = re.compile(
    r"(document_|request_filename|realpath_root)?(uri)?|host|http_host|server_(name|addr|port|protocol)|scheme"
    r"|request_method|proxy_(host|port)|https|document_root|fastcgi_script_name|is_args"
)
"""Variables that never have the arguments in them."""

_WHOLE = frozenset(("uri", "document_uri", "request_uri", "request"))
"""Variables that have all of the path."""

_ASK_AGAIN = re.compile(r"no-cache|no-store|max-age=0\b")
"""What keeps browsers from showing an old page."""

_IMPERSONAL = re.compile(
    _WITHOUT.pattern + r"|request_uri|args|query_string|arg_\w+|http_(accept_encoding|range)|slice_range"
)
"""Variables that are the same for every user."""


def one_for_all_arguments(path: str, was: Standing, now: Standing, answer: AnswerClass | None) -> str | None:
    """Pages that are told apart by their arguments, under one key of the cache."""
    if answer is not None and answer.page is not None and FILES.fullmatch(answer.page.kind):
        return None  # a style sheet with a version behind the question mark is the same one
    if not _loses(now) or (cached(was) and _loses(was)):
        return None
    if arguments.reach(now.sites, now.server, read_path(path)) is not True:
        return None
    return f"{_kind(now)}_cache_key has no arguments: page 2 is answered with page 1"


def one_for_all_paths(was: Standing, now: Standing) -> str | None:
    """Only ``proxy_cache`` has a key by itself: without one, every page is the first that was asked for."""
    if not cached(now) or _key(now) or (cached(was) and not _key(was)):
        return None
    return f"{_kind(now)}_cache without {_kind(now)}_cache_key: every page is answered with the first"


def one_for_all_users(was: Standing, now: Standing) -> str | None:
    """Answers that belong to one user, as their cookie says, kept for the others."""
    if not cached(now) or not _takes_cookies(now) or (cached(was) and _takes_cookies(was)):
        return None
    own = {*names(_key(now))}
    aside = effective(now.scope, f"{_kind(now)}_no_cache")
    own |= {n for d in aside for text in d.args for n in names(text)}
    if not all(_IMPERSONAL.fullmatch(name) for name in own):
        return None
    return f"{_kind(now)}_ignore_headers Set-Cookie: what one user is answered is kept for all the others"


def one_for_all_methods(was: Standing, now: Standing) -> str | None:
    """What is answered to HEAD (nothing), or to POST, kept for those who ask with GET."""
    before, after = (_other_methods(x) for x in (was, now))
    if after is None or before is not None or {"request_method", "request"} & {*names(_key(now))}:
        return None
    method, said = after
    return f"{said} and no $request_method in the key: who asks is answered what {method} was"


def kept_apart(was: Standing, now: Standing) -> str | None:
    """Answers that were not kept because of who asked: looked past is not kept out (``…_cache_bypass``)."""
    if not (cached(was) and cached(now)):
        return None
    before, after = (effective(s.scope, f"{_kind(s)}_no_cache") for s in (was, now))
    own = {n for d in before for text in d.args for n in names(text) if not _IMPERSONAL.fullmatch(n)}
    if not own or after:
        return None
    return f"{_kind(now)}_no_cache is gone: what one user is answered is kept for all the others"


def kept_apart_elsewhere(was: Standing, now: Standing) -> str | None:
    """A place that is kept from now on, in a zone out of which others keep one user's answers."""
    config = now.sites.config
    if config is None or cached(was) or not cached(now) or effective(now.scope, f"{_kind(now)}_no_cache"):
        return None
    zone = effective(now.scope, f"{_kind(now)}_cache")[-1].args
    for directive, around in config.find(f"{_kind(now)}_cache"):
        aside = around[-1].first(f"{_kind(now)}_no_cache") if around else None
        if directive.args == zone and aside is not None and aside not in (now.scope[-1].block or ()):
            by = " ".join(aside.args)
            said = f"elsewhere {by} keeps it out of {zone[0]}, not here"
            return f"what one user is answered is kept for all: {said}"
    return None


def one_for_all_captures(was: Standing, now: Standing) -> str | None:
    """Parts of the path that the application is asked for, and that the key does not have."""
    lost = _not_in_key(now)
    if not lost or (cached(was) and lost <= _not_in_key(was)):
        return None
    return f"{_kind(now)}_cache_key has no ${min(lost)}, which the application is asked with: one for all"


def _not_in_key(standing: Standing) -> set[str]:
    directive = passing(standing.location)
    held = set(names(_key(standing)))
    if directive is None or standing.location is None or not cached(standing) or _WHOLE & held:
        return set()
    asked = {name for name in names(" ".join(directive.args)) if f"<{name}>" in standing.location.pattern}
    return asked - held


def _other_methods(standing: Standing) -> tuple[str, str] | None:
    if not cached(standing):
        return None
    kept = f"{_kind(standing)}_cache_methods"
    if any("POST" in d.args for d in effective(standing.scope, kept)):
        return None if "request_body" in names(_key(standing)) else ("POST", f"{kept} POST")
    goes_on = effective(standing.scope, "proxy_cache_convert_head")[-1:]
    if _kind(standing) == "proxy" and any(d.args == ("off",) for d in goes_on):
        return "HEAD", "proxy_cache_convert_head off"
    return None


def kept_by_browsers(old: AnswerClass | None, new: AnswerClass | None) -> str | None:
    """A page that browsers had to ask for again each time, of which nothing says so any more."""
    if old is None or new is None or old.page is None or new.page is None or not (old.shown and new.shown):
        return None
    said = old.page.header("cache-control") or ""
    if old.page.kind != "text/html" or new.page.kind != "text/html" or not _ASK_AGAIN.search(said.lower()):
        return None
    if new.page.header("cache-control") is not None or new.page.header("expires") is not None:
        return None
    return f"browsers may keep the page from now on: Cache-Control: {said} is lost"


def _kind(standing: Standing) -> str:
    directive = passing(standing.location)
    return directive.name.removesuffix("_pass") if directive is not None else ""


def cached(standing: Standing) -> bool:
    """Whether what is answered there may be kept."""
    kind = _kind(standing)
    zones = effective(standing.scope, f"{kind}_cache") if kind else ()
    return bool(zones) and zones[-1].args != ("off",)


def _key(standing: Standing) -> str:
    kind = _kind(standing)
    said = effective(standing.scope, f"{kind}_cache_key")
    text = said[-1].args[0] if said and said[-1].args else DEFAULT_KEY.get(kind, "")
    config = standing.sites.config
    return text if config is None else value(config, standing.scope, text, {})


def _loses(standing: Standing) -> bool:
    """Whether the key certainly has none of the arguments in it."""
    held = names(_key(standing))
    return cached(standing) and bool(held) and all(_WITHOUT.fullmatch(name) for name in held)


def _takes_cookies(standing: Standing) -> bool:
    """Whether what sets a cookie is kept, cookie and all."""
    kind = _kind(standing)
    ignored = {a.lower() for d in effective(standing.scope, f"{kind}_ignore_headers") for a in d.args}
    hidden = {a.lower() for d in effective(standing.scope, f"{kind}_hide_header") for a in d.args}
    return "set-cookie" in ignored and "set-cookie" not in hidden
