"""Which hosts of an inventory get an image in its staging fleet. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

EVERYBODY, NOBODY = "all", "ungrouped"


def choose(hosts: Sequence[str], groups: Mapping[str, Sequence[str]], per_group: int) -> tuple[str, ...]:
    """So many hosts of each group, in the inventory's order; a host counts for every group that it is in.

    :param hosts: those that may be taken.
    :param groups: names of the hosts in each group; ``all`` is none of them.
    """
    members = {name: [h for h in hosts if h in set(held)] for name, held in groups.items()}
    members.pop(EVERYBODY, None)
    if not any(members.values()):
        members = {EVERYBODY: list(hosts)}
    taken: set[str] = set()
    # The smallest first: a group that holds others is then served by what was taken for those.
    for held in sorted(members.values(), key=len):
        missing = per_group - sum(host in taken for host in held)
        taken.update([host for host in held if host not in taken][: max(0, missing)])
    return tuple(host for host in hosts if host in taken)


def groups_of(chosen: Iterable[str], groups: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The groups that an inventory of these hosts has, without the two that every inventory has."""
    chosen = tuple(chosen)
    found = {name: tuple(h for h in chosen if h in held) for name, held in groups.items()}
    return {name: held for name, held in found.items() if held and name not in (EVERYBODY, NOBODY)}


def machine_names(hosts: Sequence[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """A name for each host that files, ssh and the kernel take, as much like its own as can be."""
    taken, found = set(reserved), {}
    for host in hosts:
        plain = re.sub(r"[^a-z0-9.-]+", "-", host.lower()).strip("-.")[:48] or "host"
        name, number = plain, 2
        while name in taken:
            name, number = f"{plain}-{number}", number + 1
        taken.add(name)
        found[host] = name
    return found
