"""From Ansible's YAML inventory to a :class:`~deployer.config.groups.Tree`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployer.config.groups import Group, Said, Tree, Vars
from deployer.config.hints import did_you_mean
from deployer.config.opaque import Opaque
from deployer.config.ranges import expand, split_port
from deployer.config.yamlfile import Document, Loc

SECTIONS = ("hosts", "children", "vars")
MAX_HOSTS = 50_000


class YamlReader:
    """Reads one document into a tree that may hold others already."""

    def __init__(self, document: Document, tree: Tree) -> None:
        self._doc, self._tree = document, tree

    def read(self) -> None:
        """Read the whole document. Raises :class:`~deployer.errors.ConfigError`."""
        top = self._doc.value
        if top is None:
            raise self._doc.error((), "is empty; an inventory begins with a group, usually all:")
        if not isinstance(top, Mapping):
            raise self._doc.error((), f"is {kind(top)}, but an inventory is a mapping of groups")
        if "plugin" in top:
            problem = (
                "configures an Ansible inventory plugin; write what it finds to a file with "
                "ansible-inventory --list --yaml --export, or use an executable that prints JSON"
            )
            raise self._doc.error(("plugin",), problem)
        for name, body in top.items():
            self._group(name, body, (str(name),))

    def _group(self, name: Any, body: Any, loc: Loc) -> Group:
        group = self._tree.group(check_name(self._doc, loc, name, "group"))
        for section, content in self._mapping(body, loc).items():
            at = (*loc, str(section))
            if section not in SECTIONS:
                problem = f"a group has hosts, children and vars, not {section!r}"
                raise self._doc.error(at, problem + did_you_mean(str(section), SECTIONS))
            if isinstance(content, str) and section != "vars":
                content = {content: None}  # noqa: PLW2901 - Ansible's short form: "hosts: web1"
            entries = self._mapping(content, at)
            if section == "vars":
                set_vars(self._doc, group, entries, at)
            elif section == "children":
                self._children(group, entries, at)
            else:
                for pattern, own in entries.items():
                    self._hosts(group, pattern, own, (*at, str(pattern)))
        return group

    def _children(self, group: Group, entries: Mapping[Any, Any], loc: Loc) -> None:
        for name, body in entries.items():
            child = self._group(name, body, (*loc, str(name)))
            try:
                self._tree.add_child(group.name, child.name)
            except ValueError as error:
                raise self._doc.error((*loc, name), str(error)) from None

    def _hosts(self, group: Group, pattern: Any, body: Any, loc: Loc) -> None:
        if not isinstance(pattern, str):
            raise self._doc.error(loc, f"a host name is text; quote it: {str(pattern)!r}")
        text, port = split_port(pattern)
        try:
            names = expand(text)
        except ValueError as error:
            raise self._doc.error(loc, str(error)) from None
        own = self._mapping(body, loc)
        said = says(self._doc, own, loc)
        for name in names:
            variables = self._tree.host(check_name(self._doc, loc, name, "host"), group.name)
            if port is not None:
                variables["ansible_port"] = Said(port, self._doc, loc)
            variables.update(said)
        if len(self._tree.hosts) > MAX_HOSTS:
            raise self._doc.error(loc, f"the inventory has more than {MAX_HOSTS} hosts")

    def _mapping(self, value: Any, loc: Loc) -> Mapping[Any, Any]:
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return value
        hint = f'; write each as a key, "{value[0]}:"' if isinstance(value, list) and value else ""
        raise self._doc.error(loc, f"is {kind(value)}, but a mapping is expected{hint}")


def says(document: Document, variables: Mapping[Any, Any], loc: Loc) -> Vars:
    """Variables with the place where each was said."""
    out: Vars = {}
    for name, value in variables.items():
        if not isinstance(name, str):
            raise document.error(
                (*loc, str(name)), f"the name of a variable is text; quote it: {str(name)!r}"
            )
        if isinstance(value, Opaque):
            value.name = name
        out[name] = Said(value, document, (*loc, name))
    return out


def set_vars(document: Document, group: Group, variables: Mapping[Any, Any], loc: Loc) -> None:
    """Add inline variables to a group; ``ansible_group_priority`` is not a variable but its rank."""
    said = says(document, variables, loc)
    priority = said.pop("ansible_group_priority", None)
    if priority is not None:
        try:
            group.priority = int(priority.value)
        except (TypeError, ValueError):
            raise priority.error(f"{priority.value!r} is not a whole number") from None
    group.vars.update(said)


def check_name(document: Document, loc: Loc, name: Any, what: str) -> str:
    """A name that can be printed in one line, looked up as a file and given to ssh."""
    if not isinstance(name, str):
        raise document.error(loc, f"the name of a {what} is text; quote it: {str(name)!r}")
    if not name or not name.isprintable() or set(name) & set(" /,") or name[0] in "-!&@~.":
        raise document.error(loc, f"{name!r} cannot be the name of a {what}: {_NAMES}")
    return name


_NAMES = "no spaces, slashes, commas or control characters in it, and none of - ! & @ ~ . at its beginning"


def kind(value: Any) -> str:
    """What a YAML value is, in the operator's words."""
    return _KINDS.get(type(value), "a value of another kind")


_KINDS = {
    type(None): "nothing",
    bool: "true or false",
    dict: "a mapping",
    float: "a number",
    int: "a number",
    list: "a list",
    str: "text",
}
