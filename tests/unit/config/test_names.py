"""Two hundred random host names in an inventory: each is a label, or refused in a sentence; none is run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from deployer.config.inventory import load_inventory
from deployer.errors import ConfigError, DeployerError, UsageError
from deployer.host.ssh_config import resolve
from deployer.model import Host
from tests.unit.names import TRAP, check_sentence, new_seed, odd_names


def accepted(tmp_path: Path) -> list[Host]:
    """Every name alone in an inventory; those that are none are refused in one line."""
    found: dict[str, Host] = {}
    for name in odd_names(new_seed()):
        path = tmp_path / "inventory.yml"
        path.write_text(yaml.safe_dump({"web": {"hosts": {name: {"ansible_host": "192.0.2.1"}}}}))
        try:
            inventory = load_inventory(path)
        except ConfigError as error:
            check_sentence(error, name)
            continue
        for host in inventory.hosts:
            assert host.name.isprintable(), name
            assert not host.name.startswith("-")
            assert host.address == "192.0.2.1"
            found[host.name] = host
    return list(found.values())


def test_a_name_is_a_label_or_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hosts = accepted(tmp_path)
    assert len(hosts) > 10
    assert not Path(TRAP).exists()


def test_a_limit_finds_hosts_or_says_what_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text("web: {hosts: {web1: , web2: }}\n")
    inventory = load_inventory(path)
    for name in odd_names(new_seed()):
        try:
            assert {h.name for h in inventory.limit(name).hosts} <= {"web1", "web2"}, name
        except UsageError as error:
            check_sentence(error, name)


@pytest.mark.parametrize("text", ["Host *\n  User ops\n", "Include none\nHost *\n  User ops\n"])
def test_no_name_is_an_option_or_a_command_to_ssh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """With ``Include`` the ssh client itself is asked."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config"
    config.write_text(text)
    asked = 0
    for host in accepted(tmp_path)[:40]:
        try:
            assert resolve(host, config).user == "ops"
            asked += 1
        except DeployerError as error:
            check_sentence(error, host.name)
    assert asked > 10
    assert not Path(TRAP).exists()
