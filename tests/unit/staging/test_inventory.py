"""The inventory of a fleet: production's groups and variables at other addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config.inventory import load_inventory
from deployer.errors import UsageError
from deployer.staging import inventory as inventories

PRODUCTION = """\
all:
  vars: {ansible_user: deploy, region: north, raw: !unsafe "{{ not a template }}"}
  children:
    web:
      hosts: {web1: {ansible_host: 192.0.2.1, weight: 5}, web2: {}}
      vars: {title: "{{ inventory_hostname }} of {{ region }}", ports: [80, 443], ansible_become: true}
"""
CONNECTION = {"ansible_user": "root", "deployer_ssh_config": "/x/ssh_config", "deployer_ca": "/x/ca.pem"}


@pytest.mark.parametrize("place", ["inventories/production.yml", "inventories/production/hosts.yml"])
def test_the_fleets_hosts_have_productions_variables(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    (path.parent / "group_vars").mkdir(parents=True)
    path.write_text(PRODUCTION)
    (path.parent / "group_vars/web.yml").write_text("colour: red\n")
    production = load_inventory(path)
    where = inventories.place(tmp_path, path, "staging")
    notes = inventories.write(where, production, {"web1": "198.18.0.11"}, {"web": ("web1",)}, CONNECTION)
    assert notes == []
    fleet = load_inventory(where)
    assert (fleet.name, [host.name for host in fleet.hosts]) == ("staging", ["web1"])
    (host,), real = fleet.hosts, production.hosts[0]
    assert (host.address, host.user, host.become, host.groups) == ("198.18.0.11", "root", None, ("web",))
    assert (host.ssh_config, host.ca) == ("/x/ssh_config", "/x/ca.pem")
    for name in ("region", "raw", "weight", "title", "ports", "colour"):
        assert host.vars[name] == real.vars[name], name
    # What is said in a file of variables is said there only, so a change of it reaches the fleet, too.
    assert "colour" not in where.read_text()
    (path.parent / "group_vars/web.yml").write_text("colour: blue\n")
    assert load_inventory(where).hosts[0].vars["colour"] == "blue"
    assert where.stat().st_mode & 0o777 == 0o600

    with pytest.raises(UsageError, match="is an inventory of your own"):
        inventories.check_free(tmp_path, "production")
    inventories.check_free(tmp_path, "staging")
    inventories.remove(where)
    inventories.remove(path)
    assert path.exists()
    assert not where.exists()
    assert where.parent == path.parent or not where.parent.exists()


def test_a_value_that_is_not_known_is_told(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.yml"
    path.write_text('all: {hosts: {web1: {secret: !vault "$ANSIBLE_VAULT;1.1;AES256\\n61"}}}\n')
    where = inventories.place(tmp_path, path, "staging")
    assert where == tmp_path / "inventories/staging/hosts.yml"
    (note,) = inventories.write(where, load_inventory(path), {"web1": "198.18.0.11"}, {}, CONNECTION)
    assert note.startswith("web1: the variable secret was not taken over: ")
