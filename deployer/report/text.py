"""An explanation as plain text, for a terminal at three in the morning. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.report.explanation import Explanation
from deployer.report.hunks import Hunk
from deployer.report.words import count, names

MOST_HUNK_LINES = 30  #: of one hunk; the rest is named


def text(story: Explanation) -> str:
    """The whole, in lines."""
    return "\n".join(_lines(story))


def _lines(story: Explanation) -> Iterator[str]:
    yield story.title
    yield ""
    yield from _pairs(story.summary)
    if story.trouble:
        yield from _trouble(story)
    yield from ("", "Timeline")
    for stamp, moment in story.moments:
        yield f"  {stamp}  {'! ' if moment.failed else '  '}{moment.text}"
        yield from (f"{' ' * 18}| {detail}" for detail in moment.details)
    if story.failure:
        yield from ("", story.failure[0], *(f"  | {line}" for line in story.failure[1]))
    yield from _changed(story)
    yield from _listed("Resolution" if story.trouble else "Since then", story.resolution)
    yield from _listed("To do", [f"{task.title}: {task.text}" for task in story.tasks])
    yield from _unknown(story)
    if story.hosts:
        yield from ("", "Hosts at the end")
        widths = [max(len(row[column]) for row in story.hosts) for column in (0, 1)]
        for name, ended, why in story.hosts:
            yield f"  {name.ljust(widths[0])}  {ended.ljust(widths[1])}  {why}".rstrip()


def _pairs(pairs: tuple[tuple[str, str], ...]) -> Iterator[str]:
    width = max((len(name) for name, _ in pairs), default=0)
    yield from (f"  {name.ljust(width)}  {text}" for name, text in pairs)


def _trouble(story: Explanation) -> Iterator[str]:
    if story.outage:
        yield from ("", "How long", *_pairs(story.outage))
    if story.impact:
        yield from ("", "Impact", *(f"  {line}" for line in story.impact))
    if story.cause is not None:
        yield from ("", "Root cause", f"  {sentence(story)}")
        if story.cause.sure:
            yield f"  {story.cause.sure}"


def sentence(story: Explanation) -> str:
    """The root cause, as a sentence of its own."""
    cause = story.cause.sentence if story.cause is not None else ""
    return cause[:1].upper() + cause[1:] if not _is_name(story, cause) else cause


def _is_name(story: Explanation, said: str) -> bool:
    # Hosts are called as they are called, also at the beginning of a sentence.
    hosts = story.cause.hosts if story.cause is not None else ()
    return bool(hosts) and said.startswith(names(hosts))


def _changed(story: Explanation) -> Iterator[str]:
    hunks = story.blamed.hunks or story.change.hunks
    if not hunks and not story.change.brings:
        return
    yield from ("", heading(story))
    for commit in story.change.brings[:5]:
        yield f"  {commit.sha[:12]} {commit.author}: {commit.subject}"
    for hunk in hunks[:6]:
        yield from (f"  {line}" for line in hunk_lines(hunk))
    rest = len(story.change.hunks) - min(6, len(hunks))
    if rest > 0:
        yield f"  ({count(rest, 'other part')} of the change: deployer show {story.record.id} --format html)"


def heading(story: Explanation) -> str:
    """Of what is shown of the change."""
    if story.blamed.hunks:
        what = "The change that decided" if story.blamed.proved else "The change that is suspected"
        return f"{what}: {story.blamed.why}"
    return "What it took back" if story.record.kind == "rollback" else "What changed"


def hunk_lines(hunk: Hunk) -> Iterator[str]:
    """One part of a change, with its file and the hosts that it is for."""
    yield f"{hunk.path} on {names(hunk.hosts)}" + (" (edited by hand)" if hunk.drift else "")
    if hunk.header:
        yield hunk.header
    yield from hunk.lines[:MOST_HUNK_LINES]
    if len(hunk.lines) > MOST_HUNK_LINES:
        yield f"({count(len(hunk.lines) - MOST_HUNK_LINES, 'more line')})"


def _listed(title: str, items: tuple[str, ...] | list[str]) -> Iterator[str]:
    if items:
        yield from ("", title)
        yield from (f"  {number}. {item}" for number, item in enumerate(items, 1))


def _unknown(story: Explanation) -> Iterator[str]:
    if story.unknown:
        yield from ("", "Not known")
        for each in story.unknown:
            yield f"  - {each.what}" + (f"; find out: {each.command}" if each.command else "")
