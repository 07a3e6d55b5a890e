"""What came of a comparison, as a table for people and as a document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from deployer.comparison.routes import BELOW, SECRETS, STRANGER
from deployer.report.words import clean

if TYPE_CHECKING:
    from deployer.comparison.compare import Comparison, Difference
    from deployer.comparison.reality import Kept

MOST_ROWS = 16
MOST_KEPT = 50
_WIDTHS = (48, 34, 60)


def table(comparison: Comparison, *, most: int = MOST_ROWS) -> tuple[str, ...]:
    """Route, live, candidate, verdict: what is worse, then what merely changed; the rest is counted."""
    rows = [_row(d, "worse") for d in sorted(comparison.worse, key=_made_up)]
    rows += [_row(d, "accepted" if d.why else "changed") for d in _telling(comparison.changed)]
    rows = list(dict.fromkeys(rows))  # a site is asked at each of its addresses
    if not rows:
        return ()
    return _lines([("route", "live", "candidate", "verdict"), *rows[:most]], len(rows) - most)


def document(comparison: Comparison) -> dict[str, Any]:
    """For the journal: how many were asked, and the differences. No body, nothing a user sent."""
    return {
        "asked": comparison.asked,
        "worse": _kept(comparison.worse),
        "changed": _kept(comparison.changed),
        "unproved": len(comparison.unproved),
    }


def broken(kept: Kept, *, most: int = MOST_ROWS) -> tuple[str, ...]:
    """Route, what was expected, what is answered now, verdict: what is worse than promised."""
    rows = [_row(difference, "worse") for difference in kept.worse]
    return _lines([("route", "expected", "now", "verdict"), *rows[:most]], len(rows) - most)


def kept_document(kept: Kept) -> dict[str, Any]:
    """For the journal: how many were asked once more, and what was not as promised."""
    return {
        "asked": kept.asked,
        "worse": _kept(kept.worse, ("expected", "now")),
        "unsteady": _kept(kept.unsteady, ("expected", "now")),
        "unproved": len(kept.unproved),
        "settled": kept.settled,
        "left_out": kept.left_out,
        "seconds": kept.seconds,
    }


def _telling(changed: Sequence[Difference]) -> list[Difference]:
    """Without what was only made up and strangers, where something better shows the same change."""
    named = (d for d in changed if d.question.name not in ("", STRANGER) or d.sums)
    known = [d for d in named if d.sums or not _made_up(d)]
    return known or list(changed)


def _made_up(difference: Difference) -> bool:
    path = difference.question.path.partition("?")[0]
    return path.endswith(BELOW) or path in SECRETS


def _kept(
    differences: Sequence[Difference], sides: tuple[str, str] = ("live", "candidate")
) -> list[dict[str, Any]]:
    found = []
    for difference in differences[:MOST_KEPT]:
        row = {
            "route": _route(difference),
            sides[0]: clean(difference.old.brief) if difference.old else None,
            sides[1]: clean(difference.new.brief) if difference.new else None,
            "reason": clean(difference.reason),
        }
        if difference.question.asker:
            row["as"] = clean(difference.question.asker.name)
        if difference.question.said:
            row["with"] = clean(", ".join(f"{n}: {v}" if n else f"?{v}" for n, v in difference.question.said))
        if difference.why:
            row["why"] = clean(difference.why)
        found.append(row)
    return found


def _route(difference: Difference) -> str:
    question = difference.question
    host = question.name or "(no name)"
    port = "" if question.port == 80 else f":{question.port}"
    return clean(f"{host}{port}{question.path.partition('?')[0]}")


def _row(difference: Difference, verdict: str) -> tuple[str, str, str, str]:
    live = clean(difference.old.brief) if difference.old else "-"
    candidate = clean(difference.new.brief) if difference.new else "-"
    if difference.sums is not None:
        live, candidate = map(clean, difference.sums)
    elif live == candidate or difference.new is None:
        candidate = clean(difference.reason)
    why = f" ({clean(difference.why)})" if difference.why else ""
    question = difference.question
    route = clean(_route(difference) + question.told.removesuffix(question.by))
    if question.asker:  # a long path must not hide whom it fails
        by = f" {clean(question.by)}"
        route = _cut(route, max(_WIDTHS[0] // 2, _WIDTHS[0] - len(by))) + by
    return route, live, candidate, verdict + why


def _lines(shown: Sequence[tuple[str, str, str, str]], more: int) -> tuple[str, ...]:
    widths = [min(limit, max(len(r[i]) for r in shown)) for i, limit in enumerate(_WIDTHS)]
    lines = [_line(row, widths) for row in shown]
    return (*lines, f"… and {more} more") if more > 0 else tuple(lines)


def _line(row: Iterable[str], widths: Sequence[int]) -> str:
    *cells, last = row
    cut = [_cut(text, width).ljust(width) for text, width in zip(cells, widths, strict=True)]
    return "  ".join([*cut, last])


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
