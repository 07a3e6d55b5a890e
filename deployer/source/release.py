"""From a commit to what is put on each host. Hosts that render alike share one release."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from deployer import globs
from deployer.errors import UsageError
from deployer.model import Entry, Kind, Manifest, Release
from deployer.source import snapshot
from deployer.source.snapshot import Blob, Snapshot, some

if TYPE_CHECKING:
    from deployer.model import Host
    from deployer.source.git import Commit, Mirror
    from deployer.source.render import Renderer
    from deployer.source.veil import Veil

SUFFIX = ".j2"
"""What the name of a rendered file loses."""


def build_releases(
    mirror: Mirror,
    commit: Commit,
    *,
    path: str = ".",
    render: Sequence[str] = (),
    preserve: Sequence[str] = (),
    hosts: Sequence[Host],
    fleet: Sequence[Host] | None = None,
    veil: Veil | None = None,
) -> Mapping[str, Release]:
    """The release of every host, by host name.

    :param path: directory of the repository that becomes the target directory.
    :param render: globs of the files that are Jinja2 templates.
    :param preserve: globs that the repository must not own.
    :param fleet: all hosts of the inventory (``groups``, ``hostvars``), so that a release does not depend on
        which hosts are deployed to; ``None``: they are ``hosts``.
    :param veil: knows which variables are secret; ``None``: none is.
    :raises ConfigError: for a template that cannot be rendered: file, line, host.
    :raises UsageError: for a path that is not there, is preserved, or comes about twice.
    :raises Refused: for submodules, LFS pointers and excess.
    :raises SourceUnavailable: when git cannot read the commit.
    """
    _check_globs(render, "source.render")
    _check_globs(preserve, "target.preserve")
    taken = snapshot.take(mirror, commit, path)
    templates = tuple(file for file in taken.files if globs.matches(file.path, render))
    names = _names(taken, templates, preserve)
    apart = frozenset(templates)
    plain = [_entry(taken, file, names[file.path]) for file in taken.files if file not in apart]
    if not templates:
        one = _release(taken, plain, _reader(taken, {}))
        return {host.name: one for host in hosts}
    renderer = _renderer(taken, hosts if fleet is None else fleet, veil)
    rendered = {host.name: tuple(renderer.render(file.path, host) for file in templates) for host in hosts}
    masked = _masked(renderer, templates, hosts, rendered) if veil else {}
    contents = {hashlib.sha256(content).hexdigest(): content for row in rendered.values() for content in row}
    read = _reader(taken, contents)
    by_row: dict[tuple[bytes, ...], Release] = {}
    for row in rendered.values():
        if row not in by_row:
            made = [
                Entry(names[file.path], file.kind, hashlib.sha256(content).hexdigest())
                for file, content in zip(templates, row, strict=True)
            ]
            by_row[row] = _release(taken, plain + made, read, masked)
    return {name: by_row[row] for name, row in rendered.items()}


def build_release(
    mirror: Mirror,
    commit: Commit,
    *,
    path: str = ".",
    render: Sequence[str] = (),
    preserve: Sequence[str] = (),
    host: Host,
    fleet: Sequence[Host] | None = None,
) -> Release:
    """The release of one host; see :func:`build_releases`."""
    return build_releases(
        mirror, commit, path=path, render=render, preserve=preserve, hosts=(host,), fleet=fleet
    )[host.name]


def _check_globs(patterns: Sequence[str], key: str) -> None:
    for pattern in patterns:
        try:
            globs.matches("", (pattern,))
        except (ValueError, re.error):
            raise UsageError(f"{key}: {pattern!r} is not a glob over relative paths") from None


def _names(taken: Snapshot, templates: Sequence[Blob], preserve: Sequence[str]) -> dict[str, str]:
    """The name each file gets, by its path: all different, none preserved, none a directory of another."""
    rendered = {file.path for file in templates}
    names = {f.path: f.path.removesuffix(SUFFIX) if f.path in rendered else f.path for f in taken.files}
    links = [file.path for file in templates if file.kind is Kind.LINK]
    if links:
        raise UsageError(f"{some(links)} is a symlink that source.render matches; only files can be rendered")
    preserved = [path for path, name in names.items() if globs.matches(name, preserve)]
    if preserved:
        raise UsageError(
            f"{some(preserved)} is in the repository, yet target.preserve says the host owns it; "
            "remove it from one of them"
        )
    sources: dict[str, str] = {}
    for path, name in names.items():
        if not name.rpartition("/")[2]:
            raise UsageError(f"{path!r} would be rendered to a file without a name")
        if name in sources:
            raise UsageError(f"{sources[name]!r} and {path!r} would both become {name!r}; rename one")
        sources[name] = path
    parents = {name[:at] for name in sources for at in range(len(name)) if name[at] == "/"}
    for name in sorted(parents & sources.keys()):
        raise UsageError(f"{sources[name]!r} would become {name!r}, which is a directory; rename one")
    return names


def _entry(taken: Snapshot, file: Blob, name: str) -> Entry:
    if file.kind is Kind.LINK:
        return Entry(name, file.kind, taken.content(file.oid).decode("utf-8", "surrogateescape"))
    return Entry(name, file.kind, taken.digests[file.oid])


def _renderer(taken: Snapshot, fleet: Sequence[Host], veil: Veil | None) -> Renderer:
    from deployer.source.render import Renderer  # jinja2: only where there is a template

    oids = {file.path: file.oid for file in taken.files if file.kind is not Kind.LINK}
    return Renderer(lambda path: taken.content(oids[path]) if path in oids else None, fleet, veil)


def _masked(
    renderer: Renderer,
    templates: Sequence[Blob],
    hosts: Sequence[Host],
    rendered: Mapping[str, tuple[bytes, ...]],
) -> Mapping[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for host in hosts:
        for file, content in zip(templates, rendered[host.name], strict=True):
            shown = renderer.masked(file.path, host)
            if shown != content:
                found[hashlib.sha256(content).hexdigest()] = shown
    return found


def _release(
    taken: Snapshot,
    entries: Sequence[Entry],
    read: Callable[[str], bytes],
    masked: Mapping[str, bytes | None] = MappingProxyType({}),
) -> Release:
    return Release(taken.commit.sha, taken.tree, Manifest.of(entries), read, masked)


def _reader(taken: Snapshot, rendered: Mapping[str, bytes]) -> Callable[[str], bytes]:
    by_digest = {digest: oid for oid, digest in taken.digests.items()}

    def read(digest: str) -> bytes:
        content = rendered.get(digest)
        return taken.content(by_digest[digest]) if content is None else content

    return read
