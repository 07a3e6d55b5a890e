"""The lint of a whole fleet's releases: which rules are asked, of what, and what it says of the hosts."""

from __future__ import annotations

import datetime
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.errors import ConfigError
from deployer.model.barriers import Closed, Gate
from deployer.planning.context import Context

if TYPE_CHECKING:
    from deployer.config.playbook import Playbook
    from deployer.lint.findings import Finding
    from deployer.lint.trees import Tree
    from deployer.model import Release


@dataclass(frozen=True)
class Found:
    """One finding, and the hosts it is for.

    :ivar hosts: empty: for all of them, or for a directory that is for none.
    """

    finding: Finding
    hosts: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """An element of ``findings`` in ``check --json`` and ``plan --json``."""
        one, about = self.finding, self.finding.about
        return {
            "rule": one.rule,
            "severity": one.severity.value,
            "file": one.file,
            "line": one.line,
            "source": one.source,
            "title": about.title,
            "says": one.says,
            "why": about.why,
            "fix": about.fix,
            "hosts": list(self.hosts),
        }


@dataclass(frozen=True)
class Linted:
    """What was found, and what follows.

    :ivar refusing: those of it that refuse a deployment, the worst first.
    :ivar notes: what was not looked at, and why.
    """

    found: tuple[Found, ...] = ()
    refusing: tuple[Found, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def closes(self) -> Closed | None:
        """The gate that it closes: the first finding that refuses, and how many more there are."""
        if not self.refusing:
            return None
        first, more = self.refusing[0], len(self.refusing) - 1
        where = f" on {', '.join(first.hosts)}" if first.hosts else ""
        others = f", and {more} more" if more else ""
        return Closed(
            Gate.LINT,
            f"the lint found {first.finding}{where}{others}",
            "correct it, or say in the file why it is meant (docs/lint.md)",
        )


def lint_releases(context: Context, releases: Mapping[str, Release]) -> Linted:
    """Ask the rules about each distinct release, by host name; nothing, where it is not for nginx.

    :raises ConfigError: for an unknown rule in ``lint.ignore``.
    """
    check_ids(context.playbook)
    if not is_nginx(context.playbook):
        return Linted(notes=("the playbook's validator is not nginx: nothing was checked",))
    from deployer.lint.trees import is_main, of_release

    directory = context.playbook.target.directory
    hosts: dict[str, list[str]] = {}
    for name, release in releases.items():
        hosts.setdefault(release.id, []).append(name)
    distinct = {release.id: release for release in releases.values()}
    trees = [(of_release(release, directory), hosts[id_]) for id_, release in distinct.items()]
    if not any(is_main(tree) for tree, _ in trees):
        return Linted(notes=("there is no nginx.conf with an http block in it: nothing was checked",))
    return lint_trees(
        [(t, names) for t, names in trees if is_main(t)], context.playbook, hide=context.veil.hide
    )


def lint_trees(
    trees: Sequence[tuple[Tree, Sequence[str]]],
    playbook: Playbook | None = None,
    *,
    hide: Callable[[str], str] = str,
) -> Linted:
    """Ask the rules about trees, each for some hosts; what all have in common is told once.

    :param playbook: which rules are asked, what the host owns; ``None``: all rules, and nobody knows.
    :param hide: masks what must not be seen in lines that are shown.
    """
    from deployer.lint.findings import refusing

    ignore = playbook.lint.ignore if playbook is not None else ()
    fail_on = playbook.lint.fail_on.value if playbook is not None else "error"
    by_finding: dict[Finding, dict[str, None]] = {}
    for tree, names in trees:
        for finding in _findings(tree, playbook, ignore):
            shown = replace(finding, source=hide(finding.source), says=hide(finding.says))
            by_finding.setdefault(shown, {}).update(dict.fromkeys(names))
    everybody = sum(len(names) for _, names in trees)
    found = {f: Found(f, () if len(h) == everybody else tuple(h)) for f, h in by_finding.items()}
    return Linted(tuple(found.values()), tuple(found[f] for f in refusing(found, fail_on)))


def _findings(tree: Tree, playbook: Playbook | None, ignore: Iterable[str]) -> Iterable[Finding]:
    from deployer.lint.findings import lint
    from deployer.lint.rules.subject import Subject
    from deployer.lint.trees import configurations

    directory = playbook.target.directory if playbook is not None else "/etc/nginx"
    preserve = playbook.target.preserve if playbook is not None else None
    now = datetime.datetime.now(datetime.UTC)
    for config, whole, below in configurations(tree, directory):
        for finding in lint(Subject(config, whole=whole, preserve=preserve, now=now), frozenset(ignore)):
            name = below + finding.file
            yield replace(finding, file=tree.real.get(name, name))


def is_nginx(playbook: Playbook) -> bool:
    """Whether what is deployed is for nginx, as far as its validator tells."""
    return posixpath.basename(playbook.validate[0]) == "nginx"


def check_ids(playbook: Playbook) -> None:
    """Refuse a playbook that ignores rules which do not exist.

    :raises ConfigError: naming the first of them.
    """
    if not playbook.lint.ignore:
        return
    from deployer.lint.rules import RULES

    for at, rule in enumerate(playbook.lint.ignore):
        if rule not in RULES:
            problem = f"there is no rule {rule!r}; docs/lint.md has them all"
            raise ConfigError(problem, file=str(playbook.path), key=f"lint.ignore[{at}]")


def rendered_trees(context: Context, directory: Path) -> list[tuple[Tree, list[str]]]:
    """A directory's tree as each host would get it, templates rendered; hosts that get the same share one.

    :raises ConfigError: for a template that cannot be rendered.
    :raises OSError: when the directory cannot be read.
    """
    from deployer import globs
    from deployer.lint.trees import Files, Tree, of_directory
    from deployer.source.render import Renderer

    playbook = context.playbook
    plain = of_directory(directory, playbook.target.directory)
    templates = [name for name in plain.templates if globs.matches(name, playbook.source.render)]
    if not templates:
        return [(plain, [host.name for host in context.hosts])]
    contents = {name: (directory / name).read_bytes() for name in plain.templates}
    renderer = Renderer(
        lambda name: contents.get(name) or plain.files.get(name), context.inventory.hosts, context.veil
    )
    by_content: dict[tuple[bytes, ...], list[str]] = {}
    for host in context.hosts:
        row = tuple(renderer.render(name, host) for name in templates)
        by_content.setdefault(row, []).append(host.name)
    out = []
    for row, names in by_content.items():
        made = {n.removesuffix(".j2"): content for n, content in zip(templates, row, strict=True)}
        readers = {name: _giving(made.get(name), plain.files, name) for name in (*plain.files, *made)}
        out.append((Tree(Files(readers), plain.unknown, real=plain.real), names))
    return out


def _giving(content: bytes | None, files: Mapping[str, bytes], name: str) -> Callable[[], bytes]:
    return (lambda: files[name]) if content is None else (lambda: content)
