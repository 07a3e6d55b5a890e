"""What the journal keeps of a change: the diff as it may be shown, and the commits, within bounds. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from deployer.rollout.hiding import Hide

if TYPE_CHECKING:
    from deployer.rollout.diffs import Diff
    from deployer.source.changes import Between
    from deployer.source.git import Commit

DIFF = "diff"  #: the event that holds it
MOST_LINES = 1000  #: of all files
FILE_LINES = 250
LINE_CHARS = 400
MOST_HOSTS = 200
MOST_COMMITS = 20


def changes_note(diffs: Iterable[Diff], between: Between | None, hide: Hide = str) -> dict[str, Any]:
    """The detail of the event; empty when nothing changes.

    :param diffs: veiled already; the first ones are kept whole before later ones are kept at all.
    """
    left, kept = MOST_LINES, []
    for diff in diffs:
        files: dict[str, list[str]] = {}
        cut = 0
        for path, lines in diff.files.items():
            fits = min(len(lines), FILE_LINES, left)
            files[path] = [_short(hide(line)) for line in lines[:fits]]
            left -= fits
            cut += len(lines) - fits
        hosts = list(diff.hosts[:MOST_HOSTS])
        kept.append({"hosts": hosts, "drift": diff.drift, "files": files, "cut": cut})
    note: dict[str, Any] = {"diffs": kept} if kept else {}
    if between is not None:
        note |= {"brings": _commits(between.gained, hide), "drops": _commits(between.lost, hide)}
    return note


def _commits(commits: Iterable[Commit], hide: Hide) -> list[dict[str, str]]:
    found = [{"commit": c.sha, "author": c.author, "subject": hide(c.subject)} for c in commits]
    return found[:MOST_COMMITS]


def _short(line: str) -> str:
    return line if len(line) <= LINE_CHARS else f"{line[:LINE_CHARS]} …"
