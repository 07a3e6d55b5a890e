"""What one host of production is like: its configuration without its secrets, and how it answers.

All of it is read over one SSH connection; nothing on the host is changed.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from deployer.errors import AgentError, Refused
from deployer.host.agent import Agent
from deployer.lint.trees import Tree, of_release
from deployer.model import Entry, Host, Kind, Manifest, Release, Target
from deployer.nginx.configuration import Config, is_glob, parse
from deployer.nginx.sites import Sites, read
from deployer.staging import secrets
from deployer.staging.recording import Recorded, record
from deployer.staging.secrets import Secrets

if TYPE_CHECKING:
    from deployer.config.playbook import Playbook
    from deployer.host.ssh import Connection

MOST_BYTES = 64 << 20  #: of one host's configuration
_ROUNDS = 40  #: files that include files that include files


@dataclass(frozen=True)
class Export:
    """What one host gave.

    :ivar entries: of ``directory``, preserved paths too.
    :ivar contents: by absolute path; what is not there stayed in production.
    :ivar notes: sentences: what could not be had.
    """

    host: Host
    directory: str
    entries: tuple[Entry, ...]
    contents: Mapping[str, bytes] = field(repr=False)
    sites: Sites
    secrets: Secrets
    recorded: tuple[Recorded, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def config(self) -> Config:
        """The configuration, read."""
        assert self.sites.config is not None  # noqa: S101 - they were read from one
        return self.sites.config


def export(connection: Connection, playbook: Playbook, *, asking: bool, keys: bool) -> Export:
    """Read the configuration that stands on a host, and ask it what it answers.

    :param asking: put the questions of the comparison to it.
    :param keys: take private keys and password files as well.
    :raises HostError: when the host cannot be reached, or its agent refuses.
    :raises Refused: when what stands there is no nginx configuration.
    """
    found = _Reader(connection, playbook.target_spec()).read(keys=keys)
    if not asking:
        return found
    try:
        paths = Agent(connection, playbook.target_spec()).paths(playbook.compare.sample)
    except AgentError:
        paths = ()  # its logs cannot be read: then what the configuration names is all that is asked
    return replace(found, recorded=record(connection, found.sites, playbook, paths))


class _Reader:
    """Fetches file by file what nginx reads, and only then the rest: who knows what is a key before that?"""

    def __init__(self, connection: Connection, target: Target) -> None:
        self._connection, self._target = connection, target
        self._directory = target.directory
        self._agent = Agent(connection, replace(target, preserve=()))
        self._contents: dict[str, bytes] = {}
        self._asked: set[str] = set()
        self._notes: list[str] = []

    def read(self, *, keys: bool) -> Export:
        self._connection.open()
        seen = self._agent.observe(hash_disk=False)
        main = (seen.facts.get("main") or ("",))[-1] or "nginx.conf"
        manifest = self._agent.manifest(None)
        if main not in manifest.by_path:
            raise Refused(
                f"{self._host}: there is no {main} in {self._directory}, so nothing can be staged from it; "
                "name the directory of nginx in target.directory"
            )
        config = self._followed(manifest, main)
        sites = read(config)
        kept = secrets.of(config, sites.servers)
        self._fetch_rest(manifest, frozenset() if keys else kept.paths, config, keys=keys)
        if keys:
            self._fetch(sorted(kept.paths))
        else:
            self._drop_keys()
        return Export(
            self._connection.host, self._directory, manifest.entries, dict(self._contents), sites, kept,
            notes=tuple(self._notes),
        )  # fmt: skip

    @property
    def _host(self) -> str:
        return self._connection.host.name

    def _followed(self, manifest: Manifest, main: str) -> Config:
        """The configuration, every file that it includes fetched, those beside the directory too."""
        for _ in range(_ROUNDS):
            tree = self._tree(manifest)
            config = self._parsed(tree, main)
            wanted = {self._at(tree.real.get(name, name)) for name in config.read}
            wanted |= set(self._beside(config, tree))
            if not self._fetch(sorted(wanted - self._asked)):
                return config
        raise Refused(f"{self._host}: {main} includes more than {_ROUNDS} files deep")

    def _parsed(self, tree: Tree, main: str) -> Config:
        files: dict[str, bytes] = dict(tree.files.items())
        beside = {p: c for p, c in self._contents.items() if secrets.inside(p, self._directory) is None}
        for name in tree.unknown:
            if (content := beside.get(self._leads_to.get(name, ""))) is not None:
                files[name] = content
        unknown = tree.unknown - files.keys()
        return parse({**files, **beside}, main, directory=self._directory, unknown=unknown)

    def _tree(self, manifest: Manifest) -> Tree:
        known = {e.content: self._contents.get(self._at(e.path), b"") for e in manifest.entries}
        release = Release("0" * 40, "", manifest, lambda digest: known.get(digest, b""))
        self._leads_to = {
            e.path: posixpath.normpath(posixpath.join(posixpath.dirname(self._at(e.path)), e.content))
            for e in manifest.entries
            if e.kind is Kind.LINK
        }
        return of_release(release, self._directory)

    def _beside(self, config: Config, tree: Tree) -> Iterable[str]:
        """What is included from elsewhere: by its path, by a link, by a pattern."""
        for include in config.includes:
            if not include.missing and not include.glob:
                continue
            if secrets.inside(include.pattern, self._directory) is None:
                yield from self._matching(include.pattern) if include.glob else (include.pattern,)
        for name in tree.unknown:
            path = self._leads_to.get(name, "")
            if path.startswith("/") and secrets.inside(path, self._directory) is None:
                yield path if not secrets.looks_secret(path) else ""

    def _matching(self, pattern: str) -> Iterable[str]:
        from deployer.nginx.configuration import glob_regex

        directory = posixpath.dirname(pattern)
        if is_glob(directory) or pattern in self._asked:
            return ()
        self._asked.add(pattern)
        with suppress(AgentError, ValueError):
            regex = glob_regex(pattern)
            there = self._elsewhere(directory).manifest(None).entries
            paths = [f"{directory}/{e.path}" for e in there if e.kind is not Kind.LINK]
            return [path for path in paths if regex.fullmatch(path)]
        self._notes.append(f"{self._host}: {pattern} could not be read")
        return ()

    def _fetch_rest(self, manifest: Manifest, kept: frozenset[str], config: Config, *, keys: bool) -> None:
        """Everything else of the directory, and what is named beside it."""
        public = secrets.public_files(config)
        tree = self._tree(manifest)
        kept |= {self._at(tree.real[n]) for path in kept if (n := self._name(path) or "") in tree.real}
        wanted = set(public)
        for entry in manifest.entries:
            path = self._at(entry.path)
            if entry.kind is not Kind.LINK and (keys or path in public or not secrets.looks_secret(path)):
                wanted.add(path)
        self._fetch(sorted(wanted - kept - self._asked))

    def _fetch(self, paths: Iterable[str]) -> bool:
        """Fetch files by absolute path, one call for each directory; whether there was anything to fetch."""
        by_place: dict[str, list[str]] = {}
        for path in filter(None, paths):
            self._asked.add(path)
            name = self._name(path)
            place = self._directory if name else posixpath.dirname(path)
            by_place.setdefault(place, []).append(name or posixpath.basename(path))
        for place, names in by_place.items():
            agent = self._agent if place == self._directory else self._elsewhere(place)
            try:
                given = agent.fetch(names, limit=MOST_BYTES)
            except AgentError as error:
                self._notes.append(f"{self._host}: {place} could not be read: {error}")
                continue
            self._contents |= {posixpath.join(place, name): content for name, content in given.items()}
            if lacking := [name for name in names if name not in given]:
                more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
                self._notes.append(
                    f"{self._host}: not copied, for it is no plain file or there is too much of it: "
                    f"{', '.join(posixpath.join(place, name) for name in lacking[:3])}{more}"
                )
        return bool(by_place)

    def _drop_keys(self) -> None:
        """The last net: a key under a name that nobody would look for it."""
        for path in [p for p, content in self._contents.items() if secrets.holds_key(content)]:
            del self._contents[path]
            self._notes.append(f"{self._host}: {path} holds a private key and stayed there")

    def _elsewhere(self, directory: str) -> Agent:
        return Agent(self._connection, replace(self._target, directory=directory, preserve=()))

    def _at(self, name: str) -> str:
        return posixpath.join(self._directory, name)

    def _name(self, path: str) -> str | None:
        return secrets.inside(path, self._directory)


Reading = Callable[["Connection"], Export]
