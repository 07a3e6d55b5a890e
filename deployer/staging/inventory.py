"""The inventory of a staging fleet: production's groups and variables, with other addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deployer.config.connection import ADDRESS, BECOME, CA, KEY_FILE, PORT, SSH_CONFIG, USER
from deployer.config.inventory import Inventory, load_inventory
from deployer.config.opaque import Opaque, Verbatim
from deployer.errors import UsageError
from deployer.model import Host

MARK = "# Written by `deployer staging up`, and removed by `deployer staging down`."
_GENERIC = ("hosts", "inventory")
_VARS = ("group_vars", "host_vars")
_OWN = frozenset((*ADDRESS, *PORT, *USER, *KEY_FILE, *BECOME, *SSH_CONFIG, *CA))
_MAGIC = frozenset(
    ("inventory_hostname", "inventory_hostname_short", "group_names", "inventory_dir", "inventory_file")
)


def place(project: Path, production: Path, name: str) -> Path:
    """Where the inventory stands: where the files of variables that production's has count for it, too."""
    inventories = project.absolute() / "inventories"
    directory = production if production.is_dir() else production.parent
    if production.is_dir() or production.stem in _GENERIC or directory.absolute() != inventories:
        return inventories / name / "hosts.yml"
    return inventories / f"{name}.yml"


def is_ours(path: Path) -> bool:
    """Whether ``staging up`` wrote it."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline().rstrip("\n") == MARK
    except OSError:
        return False


def check_free(project: Path, name: str) -> None:
    """:raises UsageError: an inventory of that name is there, and a person wrote it."""
    inventories = project / "inventories"
    candidates = [inventories / (name + suffix) for suffix in (".yml", ".yaml", "")]
    for path in candidates:
        real = path / "hosts.yml" if path.is_dir() else path
        if path.exists() and not is_ours(real):
            raise UsageError(
                f"{path} is an inventory of your own: deploy to it as it is, or choose another name: --name"
            )


def write(
    path: Path,
    production: Inventory,
    addresses: Mapping[str, str],
    groups: Mapping[str, Sequence[str]],
    connection: Mapping[str, Any],
) -> list[str]:
    """Write the inventory; returns sentences about variables that could not be taken over.

    :param addresses: of the fleet's hosts, by name.
    :param groups: names of the hosts in each group.
    :param connection: the variables that say how to reach them.
    """
    chosen = [host for host in production.hosts if host.name in addresses]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.stem in _GENERIC:
        _link_vars(path.parent, production.path)
    own: dict[str, dict[str, Any]] = {
        host.name: {"ansible_host": addresses[host.name], **connection} for host in chosen
    }
    _dump(path, own, groups)
    given = {host.name: host.vars for host in load_inventory(path).hosts}
    notes: list[str] = []
    for host in chosen:
        for key, value in _missing(host, given[host.name]):
            if isinstance(value, Opaque):
                notes.append(f"{host.name}: the variable {key} was not taken over: {value.why}")
            else:
                own[host.name][key] = value
    _dump(path, own, groups)
    return notes


def remove(path: Path) -> None:
    """Remove an inventory that :func:`write` wrote, and nothing else."""
    if not is_ours(path):
        return
    path.unlink()
    if path.stem in _GENERIC:
        for name in _VARS:
            if (path.parent / name).is_symlink():
                (path.parent / name).unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()


def _link_vars(directory: Path, production: Path) -> None:
    source = production if production.is_dir() else production.parent
    for name in _VARS:
        link = directory / name
        if (source / name).is_dir() and not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to((source / name).absolute())


def _missing(host: Host, given: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """What the files of variables do not say of a host, or say otherwise: it stood in the inventory."""
    for key, value in host.vars.items():
        if key in _OWN or key in _MAGIC:
            continue
        if isinstance(value, Opaque):
            if key not in given:
                yield key, value
        elif key not in given or isinstance(given[key], Opaque) or given[key] != value:
            yield key, value


def _dump(path: Path, hosts: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Sequence[str]]) -> None:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Texts that hold ``{{`` were resolved already, or never meant as templates."""

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        tag = "!unsafe" if "{{" in value or "{%" in value else "tag:yaml.org,2002:str"
        style = "'" if tag == "!unsafe" else None
        return dumper.represent_scalar(tag, str(value), style=style)

    for kind in (str, Verbatim):
        Dumper.add_representer(kind, text)
    tree = {
        "all": {
            "hosts": {name: dict(own) for name, own in hosts.items()},
            "children": {name: {"hosts": dict.fromkeys(held)} for name, held in groups.items()},
        }
    }
    if not groups:
        del tree["all"]["children"]
    body = yaml.dump(tree, Dumper=Dumper, sort_keys=False, allow_unicode=True)
    new = path.with_name(f".{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(f"{MARK}\n{body}", encoding="utf-8")
    new.replace(path)
