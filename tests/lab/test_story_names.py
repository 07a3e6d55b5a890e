"""Two hundred random names from git to the hosts and back, hosts that are called anything, odd branches."""

from __future__ import annotations

import os
import subprocess

import pytest
import yaml

from deployer.config.inventory import load_inventory
from deployer.errors import ConfigError
from deployer.lab import sample
from tests.lab.story import Story, tree
from tests.unit.names import TRAP, new_seed, odd_names

pytestmark = pytest.mark.lab

MOST_BYTES = 255  #: of one name, on any file system here


def file_names() -> list[bytes]:
    """Random names that a file can have, in git too."""
    found = {name.replace("/", "_").encode()[:MOST_BYTES] for name in odd_names(new_seed(), 260)}
    usable = [name for name in sorted(found) if name not in (b".", b"..", b".git") and b"\0" not in name]
    return usable[:200]


@pytest.mark.deployed
def test_two_hundred_file_names_travel_and_come_back(story: Story) -> None:
    before = story.trees()
    names = file_names()
    assert len(names) == 200
    odd = os.fsencode(story.lab.repo / "odd")
    os.mkdir(odd)  # noqa: PTH102 - bytes
    for name in names:
        with open(os.path.join(odd, name), "wb") as file:  # noqa: PTH118, PTH123
            file.write(name)
    sample.commit(story.lab.repo, "Odd names")
    told = story.deploy()
    assert set(told.outcomes.values()) == {"deployed"}
    wanted = {os.fsdecode(name) for name in names}
    for host in story.lab.hosts:
        there = tree(host, "/etc/nginx/odd")
        assert set(there) - {"."} == wanted
        for text in wanted:
            assert host.path(f"/etc/nginx/odd/{text}").read_bytes() == os.fsencode(text)
    shown = story.run("show", "last")
    # Diffs of configurations have tabs; nothing else that a terminal would obey.
    assert [line for line in shown.out.splitlines() if not line.replace("\t", "").isprintable()] == []
    story.rollback()
    assert story.trees() == before
    check_nothing_ran(story)


def test_hosts_may_be_called_anything_that_an_inventory_allows(story: Story) -> None:
    inventory = yaml.safe_load((story.project / "inventories/lab.yml").read_text())
    addresses = [host["ansible_host"] for host in inventory["web"]["hosts"].values()]
    trial = story.directory / "trial.yml"
    usable: list[str] = []
    for name in sorted(odd_names(new_seed()), key=len):
        trial.write_text(yaml.safe_dump({"web": {"hosts": {name: None}}}))
        try:
            hosts = load_inventory(trial).hosts
        except ConfigError:
            continue
        if [host.name for host in hosts] == [name] and len(name) > 4:
            usable.append(name)
    chosen = [*usable[:1], f"$(touch${{IFS}}{TRAP})", f"`touch${{IFS}}{TRAP}`"]
    inventory["web"]["hosts"] = {
        name: {"ansible_host": address} for name, address in zip(chosen, addresses, strict=True)
    }
    story.inventory(yaml.safe_dump(inventory))
    told = story.deploy()
    assert told.outcomes == dict.fromkeys(chosen, "unchanged" if told.outcome == "unchanged" else "deployed")
    assert set(story.status()) == set(chosen)
    story.shop("shop 2")
    story.deploy("--limit", chosen[1])
    shown = story.run("show", "last")
    assert chosen[1] in shown.out
    check_nothing_ran(story)


@pytest.mark.deployed
def test_a_branch_may_be_called_what_git_allows(story: Story) -> None:
    sha = story.shop("shop 2")
    sample.git(story.lab.repo, "reset", "--quiet", "--hard", "HEAD~1")
    for name in (f"$(touch${{IFS}}{TRAP})", "a;b|c&d", "'\"", "#%s"):
        sample.git(story.lab.repo, "update-ref", f"refs/heads/{name}", sha)
        told = story.deploy("--rev", name, "--prepare-only")
        assert told.ran.document["revision"] == sha, name
        sample.git(story.lab.repo, "update-ref", "-d", f"refs/heads/{name}")
    check_nothing_ran(story)


def check_nothing_ran(story: Story) -> None:
    """The file that some names would make is nowhere."""
    for host in story.lab.hosts:
        places = ["/root", "/tmp", "/var", "/run", f"/{TRAP}"]
        assert host.run(["find", *places, "-name", TRAP], check=False).stdout == ""
    done = subprocess.run(
        ["find", str(story.directory), "-name", TRAP], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
