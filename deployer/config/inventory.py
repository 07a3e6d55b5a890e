"""The inventory: Ansible's YAML as people have it, read without Ansible.

What is compatible and what is not is docs/inventory.md; tests compare with what Ansible answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from deployer.config.connection import make_host, warn_not_honoured
from deployer.config.dynamic import is_executable_inventory, read_dynamic, run_inventory
from deployer.config.groups import Lineage, Tree, Vars
from deployer.config.hints import listing, warn
from deployer.config.locate import find_inventory
from deployer.config.patterns import select
from deployer.config.ranges import is_address
from deployer.config.reader import YamlReader
from deployer.config.templates import resolve
from deployer.config.varfiles import read_var_files
from deployer.config.yamlfile import read_text, read_yaml
from deployer.errors import ConfigError
from deployer.model import Host

__all__ = ["Inventory", "find_inventory", "load_inventory"]

_IGNORED = ("~", ".orig", ".bak", ".ini", ".cfg", ".retry", ".pyc", ".pyo", ".swp")


@dataclass(frozen=True)
class Inventory:
    """The hosts of one inventory, or those that ``--limit`` left.

    :ivar hosts: in Ansible's order.
    :ivar groups: names of the hosts in each group, and in the groups below it, whatever the limit is;
        ``all`` and ``ungrouped`` are among them.
    """

    path: Path
    hosts: tuple[Host, ...]
    groups: Mapping[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        """``production``; for ``production/hosts.yml`` the directory says more than ``hosts``."""
        return name_of(self.path)

    def limit(self, pattern: str | None) -> Inventory:
        """The inventory with the hosts that a pattern means, in the same order.

        :raises UsageError: when the pattern, or a part of it, matches nothing.
        """
        if pattern is None:
            return self
        chosen = select(pattern, self.groups)
        return replace(self, hosts=tuple(host for host in self.hosts if host.name in chosen))


def name_of(path: Path) -> str:
    """What the inventory of that file is called, whatever is in it."""
    generic = path.stem in ("hosts", "inventory")
    return path.absolute().parent.name if generic else path.stem


def load_inventory(path: Path) -> Inventory:
    """Read an inventory: a YAML file, an executable, or a directory of them.

    :raises ConfigError: with file, line and key of what is wrong.
    """
    tree = Tree()
    for source in _sources(path):
        _read(source, tree)
    if not tree.hosts:
        raise ConfigError("has no hosts", file=str(path))
    lineage = tree.finish()
    directory = path if path.is_dir() else path.parent
    files = read_var_files(directory, groups=tree.groups, hosts=tree.hosts)
    members = MappingProxyType(dict(lineage.members))
    said = {name: lineage.variables(name, files) for name in members["all"]}
    values = {name: _values(name, said[name], lineage, path) for name in said}
    warn_not_honoured({name: (said[name], values[name]) for name in said})
    _warn_of_twins(tree)
    hosts = tuple(
        make_host(name, lineage.groups_of(name), said[name], MappingProxyType(values[name])) for name in said
    )
    return Inventory(path, hosts, members)


def _sources(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return [
        source
        for entry in sorted(path.iterdir())
        if not entry.name.startswith(".")
        and entry.name not in ("group_vars", "host_vars", "vars_plugins")
        and not entry.name.endswith(_IGNORED)
        for source in _sources(entry)
    ]


def _read(source: Path, tree: Tree) -> None:
    if is_executable_inventory(source):
        read_dynamic(run_inventory(source), tree)
        return
    _refuse_ini(source)
    YamlReader(read_yaml(source), tree).read()


def _refuse_ini(source: Path) -> None:
    lines = (line.strip() for line in read_text(source).splitlines())
    first = next((line for line in lines if line and not line.startswith(("#", ";"))), "")
    section = first.startswith("[") and first.partition("#")[0].rstrip().endswith("]")
    # "web1 ansible_host=192.0.2.1" and a bare "web1" are no mapping in YAML, but usual first lines of INI.
    yaml = not first or ":" in first.partition("=")[0] or first.startswith(("---", "{", "-", "%"))
    if source.suffix == ".ini" or section or not yaml:
        convert = f"ansible-inventory -i {source} --list --yaml --export"
        problem = f"looks like an INI inventory, and only Ansible's YAML form is read; {convert} converts it"
        raise ConfigError(problem, file=str(source))


def _values(name: str, said: Vars, lineage: Lineage, path: Path) -> dict[str, Any]:
    """The variables, with the names that Ansible adds; ``groups`` and ``hostvars`` are the renderer's."""
    magic = {
        "inventory_hostname": name,
        "inventory_hostname_short": name if is_address(name) else name.partition(".")[0],
        "group_names": sorted(lineage.groups_of(name)),
        "inventory_dir": str((path if path.is_dir() else path.parent).absolute()),
        "inventory_file": str(path.absolute()),
    }
    variables = {**{key: item.value for key, item in said.items()}, **magic}
    return resolve(variables, {"groups": lineage.members})


def _warn_of_twins(tree: Tree) -> None:
    twins = [name for name in tree.hosts if name in tree.groups]
    if twins:
        warn("a group and a host have the same name: %s", listing(twins))
