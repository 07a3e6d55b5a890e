"""``group_vars/`` and ``host_vars/`` beside an inventory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from deployer.config.groups import VarFiles, Vars
from deployer.config.hints import warn
from deployer.config.reader import kind, says
from deployer.config.yamlfile import parse_yaml, read_text

_SUFFIXES = ("", ".yml", ".yaml", ".json")  # in Ansible's order: the first that is there is the only one


def read_var_files(directory: Path, *, groups: Iterable[str], hosts: Iterable[str]) -> VarFiles:
    """Read the files of these groups and hosts. Raises :class:`~deployer.errors.ConfigError`."""
    return VarFiles(_read(directory / "group_vars", groups), _read(directory / "host_vars", hosts))


def _read(directory: Path, names: Iterable[str]) -> Mapping[str, Vars]:
    if not directory.is_dir():
        return {}
    there = {entry.name for entry in directory.iterdir()}
    out: dict[str, Vars] = {}
    for name in names:
        found = next((name + suffix for suffix in _SUFFIXES if name + suffix in there), None)
        if found is not None:
            variables: Vars = {}
            for file in _files(directory / found):
                variables.update(_file(file))
            out[name] = variables
    return out


def _files(path: Path) -> Iterable[Path]:
    if not path.is_dir():
        yield path
        return
    for entry in sorted(path.iterdir()):
        if entry.name.startswith(".") or entry.name.endswith("~"):
            continue
        if entry.suffix in _SUFFIXES and (not entry.is_dir() or not entry.suffix):
            yield from _files(entry)


def _file(path: Path) -> Vars:
    text = read_text(path)
    if text.startswith("$ANSIBLE_VAULT;"):
        warn("%s is encrypted with Ansible Vault, which is not read here: its variables are missing", path)
        return {}
    document = parse_yaml(text, str(path))
    if document.value is None:
        return {}
    if not isinstance(document.value, dict):
        raise document.error((), f"is {kind(document.value)}, but a mapping of variables is expected")
    return says(document, document.value, ())
