"""Rows of one table that nothing finds any more, or that lead elsewhere than their writer thinks. Pure."""

from __future__ import annotations

import re
from itertools import permutations

from deployer.nginx.tables import Table, bound, filled, fitting

_WITNESSES = 4
"""Texts that are tried for one row: only if none of them finds it, nothing does."""


def amiss(was: Table, now: Table) -> str | None:
    """What is wrong with a table that live has otherwise, as a sentence."""
    rules = (_dead, _literal, _nameless, _passed_by, _second_choice, _exchanged)
    return next((reason for rule in rules if (reason := rule(was, now))), None)


def _dead(was: Table, now: Table) -> str | None:
    """A new row that no text of that shape can be equal to: mostly an expression that lost its sign."""
    if now.hostnames:
        return None
    gone = {value for key, value in was.rows if (key, value) not in now.rows}
    for key, value in now.rows:
        if not key or key.startswith("~") or (key, value) in was.rows or value == now.default:
            continue
        if value not in gone:
            continue  # nobody loses what was not there
        if bound(now.source, key.removeprefix("\\")) is None:
            return f"the row {key} of ${now.target} is never found: {now.source} cannot be that"
    return None


def _literal(was: Table, now: Table) -> str | None:
    """An expression that lost its sign: nobody says just that."""
    for key, value in was.rows:
        text = key.lstrip("~*")
        if key.startswith("~") and (text, value) in now.rows and (key, value) not in now.rows:
            others = [k for k, _ in now.rows if k.startswith("~")]
            if others or text != re.escape(text):
                return f"the row {text} of ${now.target} was an expression: only just that finds it now"
    return None


def _nameless(was: Table, now: Table) -> str | None:
    """A variable that lost its sign: what it is called is what is handed on."""
    before, after = ({"": t.default, **dict(t.rows)} for t in (was, now))
    for key, value in after.items():
        if value and before.get(key) == f"${value}":
            return f"${now.target} is the word {value} now, what ${value} holds before"
    return None


def _passed_by(was: Table, now: Table) -> str | None:
    """A row that is kept, and whose texts find another one now."""
    for key, value in was.rows:
        if (key, value) not in now.rows:
            continue
        known = [(text, bound(was.source, text)) for text in fitting(key, limit=_WITNESSES)]
        mine = [values for text, values in known if values is not None and was.row(text) == (key, value)]
        texts = [filled(now.source, values) for values in mine]
        found = [now.row(text) if text is not None else None for text in texts]
        if found and all(row is not None and row[1] != value for row in found):
            other = found[0][0] if found[0] is not None else ""
            taken = f"{other} comes before it" if other else f"{now.source} is looked up now"
            return f"the row {key} of ${now.target} is found no more: {taken}"
    return None


def _second_choice(was: Table, now: Table) -> str | None:
    """Browsers that name a language behind the one that they want, and get it."""
    if (was.source, now.source) != ("$http_accept_language",) * 2:
        return None
    spoken = dict.fromkeys(found[0] for key, _ in was.rows if (found := re.search("[a-z]{2}", key)))
    for first, second in permutations(spoken, 2):
        said = f"{first},{second};q=0.5"
        old, new, other = was.row(said), now.row(said), now.row(second)
        same = old and (now.row(first) or ("", ""))[1] == old[1]
        if old and new and other and same and old[1] != new[1] == other[1]:
            row = f"the row {new[0]} of ${now.target}"
            return f"whoever asks for {first} before {second} gets {second}: {row}"
    return None


def _exchanged(was: Table, now: Table) -> str | None:
    """Two rows that lead where the other one led: lines of a list that slipped."""
    before, after = dict(was.rows), dict(now.rows)
    moved = [key for key, value in was.rows if after.get(key, value) != value and value[:1] == "/"]
    by_way = {(before[key], after[key]): key for key in moved}
    for key in moved:
        if (other := by_way.get((after[key], before[key]))) is not None:
            return f"the rows {key} and {other} of ${now.target} have exchanged what they lead to"
    return None
