"""The text of what would change, asked from one host for each distinct change, not from every host."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.errors import HostError
from deployer.model import Changes, Kind, Manifest, Release
from deployer.source.changes import lines, text_diff

if TYPE_CHECKING:
    from deployer.rollout.plan import Plan
    from deployer.rollout.survey import Contact, Survey
    from deployer.source.veil import Veil

LIMIT_BYTES = 4 << 20  #: of old content that is fetched for one diff; what exceeds it is only named


@dataclass(frozen=True)
class Diff:
    """One change and the hosts that share it.

    :ivar files: unified diff lines by path, in path order.
    :ivar drift: it shows what was edited on the hosts since the last deployment, not what would be deployed.
    """

    hosts: tuple[str, ...]
    changes: Changes
    files: Mapping[str, tuple[str, ...]]
    drift: bool = False


Earlier = Callable[[str], Release | None]  #: what is live on a host, as git has it


def diffs(
    survey: Survey,
    plan: Plan,
    releases: Mapping[str, Release],
    live: Mapping[str, Manifest],
    *,
    veil: Veil,
    earlier: Earlier,
    most: int | None = None,
) -> tuple[Diff, ...]:
    """What would change, one :class:`Diff` for each pair of what is live and what is wanted.

    :param earlier: asked only where there are secrets, which its templates tell from the rest.
    :param most: so many of them, those of the first waves before others; ``None``: all.
    """
    alike: dict[tuple[str, str], list[str]] = {}
    for name, seen in survey.answered.items():
        changes = plan.hosts[name].changes
        if changes and seen.disk_hash:
            alike.setdefault((seen.disk_hash, releases[name].id), []).append(name)
    found = []
    wave = {name: number for number, names in enumerate(plan.waves) for name in names}
    first = sorted(alike.items(), key=lambda item: min(wave.get(name, len(wave)) for name in item[1]))
    for (tree, _), names in first if most is None else first[:most]:
        changes = plan.hosts[names[0]].changes
        if changes is not None:
            known = (releases[names[0]], earlier(names[0]) if veil else None)
            files = _files(survey.contacts[names[0]], changes, live[tree], known[0], _Show(veil, known))
            found.append(Diff(tuple(names), changes, files))
    return tuple(found)


def drift(
    survey: Survey, host: str, earlier: Release | None, *, veil: Veil, wanted: Release | None = None
) -> Diff | None:
    """What was edited on a host since its live release was deployed; ``None`` when it cannot be had.

    :param earlier: the live release as git has it: what a file held before is not on the host any more when
        it was edited in place.
    :param wanted: what is to be deployed; its templates, too, tell secrets from the rest.
    """
    agent, seen = survey.contacts[host].agent, survey.contacts[host].seen
    if seen is None or seen.live is None:
        return None
    try:
        old, new = agent.manifest(seen.live), agent.manifest(None)
        changes = Changes.between(old, new)
        paths = [*changes.added, *changes.removed, *changes.modified]
        kept = agent.fetch([p for p in paths if _is_file(old, p)], release_id=seen.live, limit=LIMIT_BYTES)
        after = agent.fetch([p for p in paths if _is_file(new, p)], limit=LIMIT_BYTES)
    except HostError:
        return None
    before = {p: _original(old.by_path[p].content, kept.get(p), earlier) for p in paths if _is_file(old, p)}
    show = _Show(veil, (earlier, wanted))
    files = {
        path: tuple(text_diff(path, _old(old, path, before), _old(new, path, after), shows=show.of(path)))
        for path in sorted(paths)
    }
    return Diff((host,), changes, files, drift=True)


@dataclass(frozen=True)
class _Show:
    """What may be shown of a file: known from the releases that git has."""

    veil: Veil
    releases: tuple[Release | None, ...]

    def of(self, path: str) -> Callable[[str], str] | None:
        """What to show for a line of it; ``None``: nothing of it."""
        found: list[tuple[list[str], list[str]]] = []
        for release in self.releases if self.veil else ():
            entry = release.manifest.by_path.get(path) if release is not None else None
            if release is None or entry is None or entry.kind is Kind.LINK:
                continue
            real = release.read(entry.content)
            masked = release.masked.get(entry.content, real)
            if masked is None:
                return None
            found.append((lines(real), lines(masked)))
        return self.veil.shows(found)


def _original(digest: str, kept: bytes | None, earlier: Release | None) -> bytes:
    if kept is not None and hashlib.sha256(kept).hexdigest() == digest:
        return kept
    held = earlier is not None and any(e.content == digest for e in earlier.manifest.entries)
    return earlier.read(digest) if earlier is not None and held else b"(its content is not kept)\n"


def _files(
    contact: Contact, changes: Changes, live: Manifest, release: Release, show: _Show
) -> Mapping[str, tuple[str, ...]]:
    old_paths = [p for p in (*changes.removed, *changes.modified) if _is_file(live, p)]
    try:
        before = contact.agent.fetch(old_paths, limit=LIMIT_BYTES) if old_paths else {}
    except HostError:
        before = {}
    shown: dict[str, tuple[str, ...]] = {}
    for path in sorted((*changes.added, *changes.removed, *changes.modified)):
        entry = release.manifest.by_path.get(path)
        new = None
        if path in old_paths and path not in before:
            shown[path] = (f"--- a/{path}", f"+++ b/{path}", "(what it holds now could not be read)")
            continue
        if entry is not None:
            new = _link(entry.content) if entry.kind is Kind.LINK else release.read(entry.content)
        shown[path] = tuple(text_diff(path, _old(live, path, before), new, shows=show.of(path)))
    return shown


def _is_file(manifest: Manifest, path: str) -> bool:
    entry = manifest.by_path.get(path)
    return entry is not None and entry.kind is not Kind.LINK


def _old(manifest: Manifest, path: str, contents: Mapping[str, bytes]) -> bytes | None:
    entry = manifest.by_path.get(path)
    if entry is None:
        return None
    return _link(entry.content) if entry.kind is Kind.LINK else contents.get(path, b"")


def _link(target: str) -> bytes:
    return f"link to {target}\n".encode("utf-8", "surrogateescape")
