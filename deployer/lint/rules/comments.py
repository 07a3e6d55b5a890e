"""Comments that say of one finding that it is meant: ``# deployer: ignore RULE reason``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from deployer.lint.rules.base import ERROR, Hit, Theme
from deployer.lint.rules.subject import Subject, place
from deployer.nginx.configuration import Config

theme = Theme("Comments that ignore a finding")

_COMMENT = re.compile(r"^(?P<before>[^#]*)#+\s*deployer\s*:\s*ignore\b[ \t:]*(?P<rest>.*)$")
_MARK = re.compile(rb"#\s*deployer\s*:\s*ignore\b")


class Ignore(NamedTuple):
    """One such comment.

    :ivar lines: those that it is for (1-based): its own, or the next one that is no comment.
    """

    file: str
    line: int
    rules: tuple[str, ...]
    reason: str
    lines: tuple[int, ...]


def ignores(config: Config) -> Iterator[Ignore]:
    """The comments of all files that take part."""
    for file in sorted(config.read):
        raw = config.files.get(file, b"")
        if _MARK.search(raw):
            yield from _of_file(file, config.lines(file))


def _of_file(file: str, lines: Sequence[str]) -> Iterator[Ignore]:
    for number, line in enumerate(lines, start=1):
        found = _COMMENT.match(line)
        if found is None:
            continue
        ids, _, reason = found["rest"].strip().partition(" ")
        meant = (number,) if found["before"].strip() else (number, _next(lines, number))
        rules = tuple(word for word in ids.split(",") if word)
        yield Ignore(file, number, rules, reason.strip(), meant)


def _next(lines: Sequence[str], number: int) -> int:
    """The next line that is no comment."""
    for at in range(number, len(lines)):
        if not lines[at].lstrip().startswith("#"):
            return at + 1
    return number


@theme.rule(
    "ignore-without-reason",
    ERROR,
    "A comment ignores a finding and does not say why",
    why="The next one who reads it cannot know whether it is still true; so it is not honoured.",
    fix="# deployer: ignore RULE the reason",
    bad="# deployer: ignore no-root\nroot /srv/www;",
    good="# deployer: ignore no-root the package's own pages are meant\nroot /srv/www;",
    context="server",
)
def without_reason(subject: Subject) -> Iterator[Hit]:
    """Nothing stands after the rule."""
    for ignore in ignores(subject.config):
        if not ignore.reason or not ignore.rules:
            yield Hit(place(ignore.file, ignore.line), "no reason is given")


@theme.rule(
    "ignore-unknown-rule",
    ERROR,
    "A comment ignores a rule that does not exist",
    why="A typing error: nothing is ignored.",
    fix="Write the id that the finding shows.",
    bad="# deployer: ignore no-rooot the package's own pages are meant\nroot /srv/www;",
    good="# deployer: ignore no-root the package's own pages are meant\nroot /srv/www;",
    context="server",
)
def unknown_rule(subject: Subject) -> Iterator[Hit]:
    """No rule has that id."""
    from deployer.lint.rules import RULES

    for ignore in ignores(subject.config):
        for rule in ignore.rules:
            if rule not in RULES:
                yield Hit(place(ignore.file, ignore.line), f'there is no rule "{rule}"')
