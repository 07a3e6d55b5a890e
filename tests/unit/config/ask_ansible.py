"""Asks Ansible itself about the inventories beside this file, and prints its answers as JSON.

Run by hand to renew ``ansible_answers.json``, and by the slow test that proves the file is not stale:
``python tests/unit/config/ask_ansible.py > tests/unit/config/ansible_answers.json``.
One process for all: ``ansible-inventory`` takes a second for each.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MAGIC = ("inventory_hostname", "inventory_hostname_short", "group_names")

PATTERNS: dict[str, list[str]] = {
    "01_flat.yml": ["all", "proxy*", "backup", "*", "!backup", "proxy1.example.net,backup", "ungrouped"],
    "02_tutorial.yml": [
        "webservers", "webservers:&east", "dbservers:!east", "prod", "east:west", "all:!prod", "~.*two",
        "*.example.com", "east[0]", "east[-1]", "east[1:2]", "dbservers[0:1]:!one*",
        "webservers,dbservers,!west",
        "&prod", "*servers",
    ],
    "03_ranges.yml": [
        "cdn[0:3]", "cdn[5:]", "edge0?.cdn.example.com", "edge0[1-3].cdn.example.com", "edge0[!1-7]*",
        "node-*[1]", "192.0.2.10", "2001:db8:0:1::5", "rack1-blade*", "~edge(01|12)",
        "cdn:!edge*:!node*", "web9",
    ],
    "05_diamond.yml": ["dell", "sites", "hardware:&sites", "r640[1]"],
    "09_ipv6.yml": ["2001:db8::10", "2001:db8::10,192.0.2.7", "v6,!2001:db8::10", "v6:!named", "192.0.2.*"],
    "14_layered/hosts.yml": [
        "shop:&blog", "frontend:!blog", "monitored:&production", "fe[1:2]", "fe*:!fe2", "spare:api",
    ],
}  # fmt: skip


def sources() -> list[str]:
    """The inventories, by their path below ``inventories``."""
    names = []
    for entry in sorted((HERE / "inventories").iterdir()):
        hosts = sorted(entry.glob("hosts.*")) if entry.is_dir() else []
        names.append(str(hosts[0].relative_to(HERE / "inventories")) if hosts else entry.name)
    return names


def ask(name: str) -> dict[str, Any]:
    """Hosts, groups and variables of one inventory, and the hosts that patterns leave."""
    from ansible.constants import INTERNAL_STATIC_VARS  # type: ignore[import-untyped]
    from ansible.inventory.manager import InventoryManager  # type: ignore[import-untyped]
    from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]
    from ansible.template import Templar  # type: ignore[import-untyped]
    from ansible.vars.manager import VariableManager  # type: ignore[import-untyped]

    loader = DataLoader()
    manager = InventoryManager(loader=loader, sources=[str(HERE / "inventories" / name)])
    variables = VariableManager(loader=loader, inventory=manager)

    def of(host: Any) -> dict[str, Any]:
        own = variables.get_vars(host=host, include_hostvars=False, stage="all")
        templar = Templar(loader=loader, variables=own)
        keep = (
            set(own)
            - (set(INTERNAL_STATIC_VARS) - set(MAGIC))
            - {"inventory_dir", "inventory_file", "groups"}
        )
        return {key: templar.template(own[key]) for key in sorted(keep)}

    def limited(pattern: str) -> list[str]:
        manager.subset(pattern)
        found = [host.name for host in manager.get_hosts("all")]
        manager.subset(None)
        return found

    return {
        "hosts": [host.name for host in manager.get_hosts("all")],
        "groups": {group: list(hosts) for group, hosts in manager.get_groups_dict().items()},
        "vars": {host.name: of(host) for host in manager.get_hosts("all")},
        "limits": {pattern: limited(pattern) for pattern in PATTERNS.get(name, [])},
    }


if __name__ == "__main__":
    with tempfile.NamedTemporaryFile(suffix=".cfg") as plain:  # not what the user has in ~/.ansible.cfg
        os.environ["ANSIBLE_CONFIG"] = plain.name
        answers = {name: ask(name) for name in sources()}
    json.dump(answers, sys.stdout, indent=1, default=str)
    print()
