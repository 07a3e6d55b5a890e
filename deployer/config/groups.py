"""Who belongs to whom, and whose variables win: Ansible's rules, in Ansible's order.

What is kept is what the files say; everything else (depth, ancestors, order of hosts, variables) is computed
from it, so no cache can be stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from deployer.config.yamlfile import Document, Loc
from deployer.errors import ConfigError


class Said(NamedTuple):
    """A value of a variable, and where it was said."""

    value: Any
    document: Document
    loc: Loc

    def error(self, problem: str) -> ConfigError:
        """An error about this value."""
        return self.document.error(self.loc, problem)


Vars = dict[str, Said]


@dataclass
class Group:
    """One group as the files describe it."""

    name: str
    hosts: dict[str, None] = field(default_factory=dict)  #: a set that keeps its order
    children: dict[str, None] = field(default_factory=dict)
    vars: Vars = field(default_factory=dict)
    priority: int = 1  #: ``ansible_group_priority``: among groups of one depth, the higher wins


@dataclass
class Tree:
    """All groups and hosts. Filled by the readers of YAML and JSON, then asked."""

    groups: dict[str, Group] = field(default_factory=lambda: {n: Group(n) for n in ("all", "ungrouped")})
    hosts: dict[str, Vars] = field(default_factory=dict)

    def group(self, name: str) -> Group:
        """The group of that name, made when it is new."""
        return self.groups.setdefault(name, Group(name))

    def host(self, name: str, group: str) -> Vars:
        """The inline variables of a host, which is in ``group`` from now on."""
        self.group(group).hosts[name] = None
        return self.hosts.setdefault(name, {})

    def add_child(self, parent: str, child: str) -> None:
        """Put a group below another. Raises ``ValueError`` when that would close a loop."""
        if child == "all":
            raise ValueError("the group all is above every other, so it cannot be a child")
        if parent == child or (child in self.groups and parent in self.below(child)):
            raise ValueError(f"{child} cannot be a child of {parent}, because it is the same or above it")
        self.group(child)
        self.group(parent).children[child] = None

    def below(self, name: str) -> list[str]:
        """The group and everything under it, level by level, as Ansible walks them."""
        level, seen = [name], {name: None}
        while level:
            level = [c for g in level for c in self.groups[g].children if c not in seen]
            seen.update(dict.fromkeys(level))
        return list(seen)

    def finish(self) -> Lineage:
        """Put the orphans below ``all`` and into ``ungrouped``, and work out who is above whom."""
        self.groups["all"].children = {"ungrouped": None, **self.groups["all"].children}
        parents = {child for group in self.groups.values() for child in group.children}
        for name in self.groups:
            if name not in parents and name != "all":
                self.add_child("all", name)
        ungrouped = self.groups["ungrouped"]
        grouped = {h for g in self.groups.values() if g.name not in ("all", "ungrouped") for h in g.hosts}
        ungrouped.hosts = {h: None for h in (*ungrouped.hosts, *self.hosts) if h not in grouped}
        return Lineage(self)


@dataclass(frozen=True)
class VarFiles:
    """What ``group_vars/`` and ``host_vars/`` say, by name."""

    groups: Mapping[str, Vars]
    hosts: Mapping[str, Vars]


@dataclass(frozen=True)
class Lineage:
    """What follows from a finished tree."""

    tree: Tree

    @cached_property
    def depth(self) -> Mapping[str, int]:
        """How far each group is below ``all``, by the longest way."""
        depth = dict.fromkeys(self.tree.groups, 0)
        waiting = ["all"]
        while waiting:
            parent = waiting.pop()
            for child in self.tree.groups[parent].children:
                if depth[child] <= depth[parent]:
                    depth[child] = depth[parent] + 1
                    waiting.append(child)
        return depth

    @cached_property
    def _parents(self) -> Mapping[str, list[str]]:
        parents: dict[str, list[str]] = {name: [] for name in self.tree.groups}
        for group in self.tree.groups.values():
            for child in group.children:
                parents[child].append(group.name)
        return parents

    @cached_property
    def _direct(self) -> Mapping[str, list[str]]:
        direct: dict[str, list[str]] = {name: [] for name in self.tree.hosts}
        for group in self.tree.groups.values():
            for host in group.hosts:
                direct[host].append(group.name)
        return direct

    @cached_property
    def members(self) -> Mapping[str, tuple[str, ...]]:
        """The hosts of each group and of the groups below it."""
        groups = self.tree.groups
        return {
            name: tuple(dict.fromkeys(host for g in self.tree.below(name) for host in groups[g].hosts))
            for name in groups
        }

    def groups_of(self, host: str) -> tuple[str, ...]:
        """Every group the host is in but ``all``, the weakest first."""
        found, waiting = set(), list(self._direct[host])
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self._parents[name]
        found.discard("all")
        return tuple(sorted(found, key=lambda g: (self.depth[g], self.tree.groups[g].priority, g)))

    def variables(self, host: str, files: VarFiles) -> Vars:
        """The host's variables; what comes later wins. Files next to the inventory outrank what is in it."""
        groups = self.groups_of(host)
        out: Vars = {}
        for source in (
            *(self.tree.groups[name].vars for name in ("all", *groups)),
            *(files.groups.get(name, {}) for name in ("all", *groups)),
            self.tree.hosts[host],
            files.hosts.get(host, {}),
        ):
            out.update(source)  # the whole value is replaced, dictionaries too
        return out
