"""The inventories beside this file mean the same here as they do to Ansible.

``ansible_answers.json`` holds what Ansible said; a slow test asks it again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from deployer.config.inventory import Inventory, load_inventory
from deployer.errors import UsageError

HERE = Path(__file__).parent
ANSWERS: dict[str, Any] = json.loads((HERE / "ansible_answers.json").read_text())
NESTED = "14_layered/hosts.yml"
"""Below the second level of groups Ansible walks a set, so its order changes from run to run."""

LIMITS = [(name, pattern) for name, answer in ANSWERS.items() for pattern in answer["limits"]]


def load(name: str) -> Inventory:
    return load_inventory(HERE / "inventories" / name)


def ordered(name: str, hosts: list[str]) -> list[str]:
    return sorted(hosts) if name == NESTED else hosts


def test_there_are_a_dozen() -> None:
    assert len(ANSWERS) >= 12


@pytest.mark.parametrize("name", ANSWERS)
def test_hosts_in_order(name: str) -> None:
    hosts = [host.name for host in load(name).hosts]
    assert ordered(name, hosts) == ordered(name, ANSWERS[name]["hosts"])


@pytest.mark.parametrize("name", ANSWERS)
def test_groups(name: str) -> None:
    groups = {group: ordered(name, list(hosts)) for group, hosts in load(name).groups.items()}
    assert groups == {group: ordered(name, hosts) for group, hosts in ANSWERS[name]["groups"].items()}


@pytest.mark.parametrize("name", ANSWERS)
def test_variables(name: str) -> None:
    for host in load(name).hosts:
        own = {
            key: value for key, value in host.vars.items() if key not in ("inventory_dir", "inventory_file")
        }
        assert json.loads(json.dumps(own, default=_text)) == ANSWERS[name]["vars"][host.name], host.name


@pytest.mark.parametrize(("name", "pattern"), LIMITS)
def test_limit(name: str, pattern: str) -> None:
    expected = ANSWERS[name]["limits"][pattern]
    if not expected:
        with pytest.raises(UsageError):
            load(name).limit(pattern)
        return
    hosts = [host.name for host in load(name).limit(pattern).hosts]
    assert ordered(name, hosts) == ordered(name, expected)


def test_the_deep_order_is_ours_and_stays() -> None:
    hosts = [host.name for host in load(NESTED).hosts]
    assert hosts == ["sp1", "be1", "be2", "fe3", "fe1", "fe2", "fe4"]


@pytest.mark.slow
def test_ansible_still_says_so() -> None:
    done = subprocess.run(
        [sys.executable, HERE / "ask_ansible.py"], capture_output=True, text=True, timeout=120, check=True
    )
    fresh = json.loads(done.stdout)
    for answer, stored in ((fresh.pop(NESTED), ANSWERS[NESTED]),):
        assert sorted(answer["hosts"]) == sorted(stored["hosts"])
        assert answer["vars"] == stored["vars"]
    assert fresh == {name: answer for name, answer in ANSWERS.items() if name != NESTED}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["02_tutorial.yml", "10_var_files/hosts.yml", "13_script"])
def test_the_commands_of_ansible_agree(name: str, tmp_path: Path) -> None:
    """``ask_ansible.py`` uses Ansible as a library; this is what its commands print."""
    (tmp_path / "ansible.cfg").write_text("")
    bin_ = Path(sys.executable).parent

    def run(*command: str) -> str:
        done = subprocess.run(
            [str(bin_ / command[0]), "-i", str(HERE / "inventories" / name), *command[1:]],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            cwd=tmp_path,
        )
        return done.stdout

    listed = json.loads(run("ansible-inventory", "--list"))["_meta"]["hostvars"]
    for host, variables in listed.items():
        assert variables.items() <= ANSWERS[name]["vars"][host].items()
    shown = run("ansible", "all", "--list-hosts", "-l", "all").splitlines()[1:]
    assert [line.strip() for line in shown] == ANSWERS[name]["hosts"]


def _text(value: object) -> str:
    assert isinstance(value, date)
    return str(value)


@pytest.mark.slow
def test_the_conversions_that_we_recommend_work(tmp_path: Path) -> None:
    """INI to YAML, and an executable that asks Ansible."""
    command = Path(sys.executable).parent / "ansible-inventory"
    ini = tmp_path / "hosts"
    ini.write_text("lone\n[web]\nw[1:2] ansible_port=2222\n[web:vars]\nx=1\n[site:children]\nweb\n")
    with pytest.raises(UsageError, match=f"ansible-inventory -i {ini} --list --yaml --export converts it"):
        load_inventory(ini)
    done = subprocess.run(
        [command, "-i", ini, "--list", "--yaml", "--export"], capture_output=True, timeout=60, check=True
    )
    converted = tmp_path / "converted.yml"
    converted.write_bytes(done.stdout)
    dynamic = tmp_path / "dynamic"
    dynamic.write_text(f"#!/bin/sh\nexec {command} -i {ini} --list\n")
    dynamic.chmod(0o755)
    for path in (converted, dynamic):
        hosts = load_inventory(path).hosts
        assert [(h.name, h.port, h.groups, h.vars.get("x")) for h in hosts] == [
            ("lone", None, ("ungrouped",), None),
            ("w1", 2222, ("site", "web"), 1),
            ("w2", 2222, ("site", "web"), 1),
        ]
