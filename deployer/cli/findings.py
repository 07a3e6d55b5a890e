"""Findings as text, JSON and SARIF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from json import dumps
from typing import TYPE_CHECKING

from deployer.report.words import names

if TYPE_CHECKING:
    from deployer.planning.linting import Found, Linted


def text_lines(linted: Linted, advice: Sequence[str] | None = None, prefix: str = "") -> Iterator[str]:
    """Each finding with its place, its line, why it hurts and what to do; the number of them at the end.

    :param prefix: what names of files stand below, with a slash at its end.
    """
    for found in linted.found:
        yield from _finding(found, prefix)
    for line in advice or ():
        yield f"advice: {line}"
    yield _sum(linted)


def _finding(found: Found, prefix: str) -> Iterator[str]:
    one = found.finding
    where = f"  (on {names(found.hosts)})" if found.hosts else ""
    yield f"{prefix}{one.file}:{one.line}: {one.severity.value}: {one.about.title} [{one.rule}]{where}"
    if one.source:
        yield f"    {one.source}"
    yield f"    {one.says}"
    yield f"    why: {one.about.why}"
    yield f"    do:  {one.about.fix}"
    yield ""


def _sum(linted: Linted) -> str:
    numbers = _numbers(linted)
    if not linted.found:
        return "nothing found (whether nginx accepts it, it is asked on each host before anything changes)"
    parts = [f"{n} {word}{'s' if n > 1 else ''}" for word, n in numbers.items() if n]
    said = "; a deployment would be refused" if linted.refusing else ""
    return ", ".join(parts) + said


def _numbers(linted: Linted) -> dict[str, int]:
    counted = Counter(found.finding.severity.value for found in linted.found)
    return {word: counted[word] for word in ("error", "warning", "info")}


def as_json(linted: Linted, notes: Sequence[str], advice: Sequence[str] | None, exit_code: int) -> str:
    """The document of ``check --json``."""
    numbers = _numbers(linted)
    document = {
        "findings": [found.as_json() for found in linted.found],
        "errors": numbers["error"],
        "warnings": numbers["warning"],
        "infos": numbers["info"],
        "refused": bool(linted.refusing),
        "advice": None if advice is None else list(advice),
        "notes": list(notes),
        "exit_code": exit_code,
    }
    return dumps(document, indent=2, ensure_ascii=False)


def as_sarif(linted: Linted, prefix: str = "") -> str:
    """The SARIF 2.1.0 document, as code review takes it; its files are named from the repository's top."""
    from deployer.lint.sarif import document

    return dumps(document([found.finding for found in linted.found], prefix), indent=2, ensure_ascii=False)
