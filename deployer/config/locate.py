"""Files of a project by the name an operator types."""

from __future__ import annotations

from pathlib import Path

from deployer.config.hints import did_you_mean, listing
from deployer.errors import UsageError

_SUFFIXES = (".yml", ".yaml")
_IN_DIRECTORY = ("hosts.yml", "hosts.yaml", "inventory.yml", "inventory.yaml", "hosts")


def find_inventory(project: Path, name_or_path: str) -> Path:
    """The inventory an operator means: a name under ``inventories/``, or a path.

    ``NAME`` stands for ``inventories/NAME.yml``, ``.yaml``, the executable ``inventories/NAME``, or
    ``inventories/NAME/hosts.yml`` as Ansible users lay it out.

    :raises UsageError: when there is none.
    """
    directory = project / "inventories"
    found = _named(directory, name_or_path) or _path(project, name_or_path)
    if found is None:
        raise UsageError(_nothing("inventory", directory, name_or_path))
    return _inside(found) if found.is_dir() else found


def find_playbook(project: Path, name: str | None) -> Path:
    """The playbook an operator means: a name under ``playbooks/``, a path, or ``None`` for the only one.

    :raises UsageError: when there is none, or more than one to choose from.
    """
    directory = project / "playbooks"
    if name is not None:
        found = _named(directory, name) or _path(project, name)
        if found is None or found.is_dir():
            raise UsageError(_nothing("playbook", directory, name))
        return found
    there = _names(directory)
    if not there:
        raise UsageError(f"there is no playbook in {directory}; deployer init writes one to start from")
    if len(there) > 1:
        raise UsageError(f"{directory} holds several playbooks; choose with --playbook: {listing(there)}")
    return next(iter(there.values()))


def _named(directory: Path, name: str) -> Path | None:
    if "/" in name or name in ("", ".", ".."):
        return None
    candidates = (directory / (name + suffix) for suffix in (*_SUFFIXES, ""))
    return next((path for path in candidates if path.exists()), None)


def _path(project: Path, text: str) -> Path | None:
    candidates = (Path(text).expanduser(), project / text)
    return next((path for path in candidates if text and path.exists()), None)


def _inside(directory: Path) -> Path:
    """``inventories/production/`` with one ``hosts.yml`` in it; else the directory itself, all its files."""
    found = (directory / name for name in _IN_DIRECTORY)
    return next((path for path in found if path.is_file()), directory)


def _names(directory: Path) -> dict[str, Path]:
    if not directory.is_dir():
        return {}
    there = sorted(directory.iterdir())
    return {p.stem: p for p in there if p.suffix in _SUFFIXES and not p.name.startswith(".") and p.is_file()}


def _nothing(what: str, directory: Path, name: str) -> str:
    there = _names(directory)
    if not there:
        return f"there is no {what} {name!r}, and none in {directory}; deployer init writes one to start from"
    hint = did_you_mean(name, there) or f"; there are: {listing(there)}"
    return f"there is no {what} {name!r} in {directory}{hint}"
