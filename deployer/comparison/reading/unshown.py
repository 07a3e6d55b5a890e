"""What the candidate says otherwise and no answer shows: what a rehearsal cannot speak for. Pure.

A question proves what it reaches. A place behind a password, a method that is not asked, a header that only
the application sees: nobody should take a rehearsal without findings for a proof of those, so they are named.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.judge import GUARDING
from deployer.comparison.reading.foresight import Foresight, Standing
from deployer.nginx.sites import Sites, written
from deployer.nginx.tree import Directive

MOST = 5
"""Places that are named; the rest is counted."""

_SILENT = frozenset(
    ("include", "access_log", "error_log", "log_format", "open_log_file_cache", "log_not_found")
)
"""What no user is ever shown."""

_SAID = ("cache-control", "content-encoding", "content-type", *GUARDING)
"""Headers whose values are not another one each time."""

_PLACES = ("http", "server", "location")
_NAMED = ("upstream", "map", "geo", "split_clients")
_CUT = 60

Place = tuple[str, ...]
"""The blocks around a directive, outermost first, as people know them."""


def telling(before: AnswerClass, after: AnswerClass) -> bool:
    """Whether two answers differ in anything a configuration decides, for the better too."""
    return _features(before) != _features(after)


def _features(answer: AnswerClass) -> tuple[object, ...]:
    page = answer.page
    if page is None:
        return answer.text, answer.location, answer.names
    headers = frozenset(name for name, _ in page.headers)
    said = tuple(page.header(name) for name in _SAID)
    return answer.status, answer.location, answer.names, page.kind, headers, said


def unshown(insight: Foresight, differing: Iterable[Question]) -> str | None:
    """The places whose configuration is another one though no answer from there is; ``None``: none.

    :param differing: the questions that were answered differently, accepted or not, better or worse.
    """
    before, after = Counter(_said(insight.live)), Counter(_said(insight.candidate))
    changed: dict[Place, list[str]] = {}
    for place, text in after - before:
        changed.setdefault(place, []).append(text)
    for place, text in before - after:
        changed.setdefault(place, []).append(f"without {text}")
    if not changed:
        return None
    sides = (insight.live, insight.candidate)
    standings = [s for q in differing for side in sides if (s := insight.standing(side, q)) is not None]
    reached = {_reached(scope) for standing in standings for scope in standing.scopes}
    words = " ".join({_words(standing) for standing in standings})
    named = [_named(p, texts) for p, texts in changed.items() if not _is_shown(p, reached, words)]
    more = f" and {len(named) - MOST} more places" if len(named) > MOST else ""
    return f"no answer shows what this changes: {'; '.join(named[:MOST])}{more}" if named else None


def _said(sites: Sites) -> Iterator[tuple[Place, str]]:
    """Each directive with the place it stands in. Blocks are their place, so they are not said themselves."""
    todo: list[tuple[Place, Sequence[Directive]]] = [((), sites.config.directives if sites.config else ())]
    while todo:
        place, directives = todo.pop()
        for directive in directives:
            if directive.name in _SILENT:
                continue
            if directive.block is None:
                yield place, " ".join((directive.name, *directive.args))
            else:
                todo.append(((*place, _title(directive)), directive.block))


def _title(block: Directive) -> str:
    """Neither lines nor addresses: a block that moved, or listens elsewhere too, is the same one."""
    if block.name != "server":
        return " ".join((block.name, *block.args))
    names = [name for d in block.all("server_name") for name in d.args]
    return " ".join(("server", *names))


def _reached(scope: Sequence[Directive]) -> Place:
    return tuple(_title(block) for block in scope)


def _words(standing: Standing) -> str:
    """All that may name an upstream or a variable for an answer."""
    blocks = {block for scope in standing.scopes for block in scope}
    own = (d for block in blocks for d in block.block or () if d.block is None or d.name == "if")
    return " ".join(map(written, own))


def _is_shown(place: Place, reached: Iterable[Place], words: str) -> bool:
    """By any of the answers that differ: it came from there, or may have been passed on through there."""
    kind, _, rest = place[-1].partition(" ") if place else ("", "", "")
    if kind in _NAMED:
        name = re.escape(rest.rpartition(" ")[2].lstrip("$"))
        return re.search(rf"(//|'|\${{?){name}\b", words) is not None
    # What stands in an "if" is its location's, as far as anybody can see.
    own = tuple(title for title in place if title.partition(" ")[0] in _PLACES)
    if not own and place:
        return False  # events, stream, mail
    return any(where[: len(own)] == own for where in reached)


def _named(place: Place, texts: Sequence[str]) -> str:
    said = ", ".join(text if len(text) <= _CUT else f"{text[: _CUT - 1]}…" for text in texts[:2])
    more = f" and {len(texts) - 2} more" if len(texts) > 2 else ""
    where = " ".join(title.removeprefix("server ") for title in place if title != "http")
    return f"{said}{more} (in {where or 'http'})"
