"""An explanation as Markdown: a draft of a post-mortem in the form of that of 12 June 2024. Pure.

Nothing that a host or a commit said can write Markdown of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from deployer.report.explanation import Explanation
from deployer.report.hunks import Hunk
from deployer.report.text import heading, sentence
from deployer.report.words import count, names

MARKUP = re.compile(r"([\\`*_<>\[\]#|])")
MOST_HUNKS = 12
DRAFT = "Draft, written from the journal: nothing is invented, and what is not known is said to be."


def markdown(story: Explanation) -> str:
    """The whole, in lines."""
    return "\n".join(_lines(story))


def _lines(story: Explanation) -> Iterator[str]:
    yield from (f"# {escape(story.title)}", "")
    if story.trouble:
        yield from (f"*{DRAFT}*", "")
    yield from ("## Issue summary" if story.trouble else "## Summary", "")
    yield from (f"- **{name}:** {escape(said)}" for name, said in story.summary)
    yield from _issue(story)
    yield from ("", "## Timeline", "")
    for stamp, moment in story.moments:
        said = escape(moment.text)
        yield f"- **{stamp}:** {f'**{said}**' if moment.failed else said}"
        yield from (f"  - {code(detail)}" for detail in moment.details)
    yield from _cause(story)
    yield from _tasks(story)
    if story.unknown:
        yield from ("", "## What is not known", "")
        for each in story.unknown:
            yield f"- {escape(each.what)}" + (f": {code(each.command)}" if each.command else "")
    if story.hosts:
        yield from ("", "## Hosts at the end", "", "| host | ended | why |", "|---|---|---|")
        yield from (f"| {' | '.join(map(escape, row))} |" for row in story.hosts)


def _issue(story: Explanation) -> Iterator[str]:
    if story.outage:
        yield from ("", "**Duration of the outage:**", "")
        yield from (f"- {name}: {escape(said)}" for name, said in story.outage)
    if story.impact and story.trouble:
        yield from ("", "**Impact:**", "", *_items(story.impact))
    if story.cause is not None:
        yield from ("", "**Root cause:**", "", f"- {escape(sentence(story))}")


def _cause(story: Explanation) -> Iterator[str]:
    title = "Root cause and resolution" if story.trouble else "What changed"
    parts = [*_evidence(story), *_change(story), *_resolution(story)]
    if parts:
        yield from ("", f"## {title}", *parts)


def _evidence(story: Explanation) -> Iterator[str]:
    if story.cause is not None:
        yield from ("", f"{escape(sentence(story))}. {escape(story.cause.sure)}".strip())
    if story.failure:
        yield from ("", f"{escape(story.failure[0])}:", "", *fenced(story.failure[1]))


def _change(story: Explanation) -> Iterator[str]:
    hunks = story.blamed.hunks or story.change.hunks
    if not hunks and not story.change.brings:
        return
    yield from ("", f"**{escape(heading(story))}:**")
    if story.change.brings:
        yield ""
        for commit in story.change.brings:
            yield f"- {code(commit.sha[:12])} {escape(commit.author)}: {escape(commit.subject)}"
    for hunk in hunks[:MOST_HUNKS]:
        yield from ("", *_hunk(hunk))
    rest = len(story.change.hunks) - min(MOST_HUNKS, len(hunks))
    if rest > 0:
        yield from ("", f"({count(rest, 'other part')} of the change: `deployer show --format html`)")


def _hunk(hunk: Hunk) -> Iterator[str]:
    by_hand = ", edited by hand" if hunk.drift else ""
    yield f"{code(hunk.path)} on {escape(names(hunk.hosts))}{by_hand}:"
    yield ""
    yield from fenced([*([hunk.header] if hunk.header else []), *hunk.lines], "diff")


def _resolution(story: Explanation) -> Iterator[str]:
    if story.resolution:
        yield from ("", "**Resolution:**" if story.trouble else "**Since then:**", "")
        yield from (f"{number}. {escape(line)}" for number, line in enumerate(story.resolution, 1))


def _tasks(story: Explanation) -> Iterator[str]:
    if story.tasks:
        yield from ("", "## Corrective and preventative measures", "", "**Specific tasks:**", "")
        for number, task in enumerate(story.tasks, 1):
            yield f"{number}. **{escape(task.title)}:** {_ticked(task.text)}"


def _items(lines: Iterable[str]) -> Iterator[str]:
    return (f"- {escape(line)}" for line in lines)


def _ticked(said: str) -> str:
    """Our own sentences hold code between backticks; everything between them is somebody's."""
    parts = said.split("`")
    if len(parts) % 2 == 0:
        return escape(said)
    return "".join(code(part) if number % 2 else escape(part) for number, part in enumerate(parts))


def escape(said: str) -> str:
    """Text that is only text."""
    return MARKUP.sub(r"\\\1", said)


def code(said: str) -> str:
    """Text between backticks that it cannot leave."""
    fence = "`" * (_longest_run(said) + 1)
    return f"{fence} {said} {fence}" if "`" in said else f"`{said}`"


def fenced(lines: Iterable[str], language: str = "") -> Iterator[str]:
    """A block of code that its lines cannot leave."""
    lines = list(lines)
    fence = "`" * max(3, max(map(_longest_run, lines), default=0) + 1)
    yield f"{fence}{language}"
    yield from lines
    yield fence


def _longest_run(said: str) -> int:
    return max((len(run) for run in re.findall("`+", said)), default=0)
