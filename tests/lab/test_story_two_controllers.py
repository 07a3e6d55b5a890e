"""Two controllers at once, each with a journal of its own, again and again: one wins, and no host sees both.

Three rounds; fifty with ``DEPLOYER_SWEEP=all``. The seed is printed, and taken from ``DEPLOYER_SWEEP_SEED``.
"""

from __future__ import annotations

import os
import random
import time

import pytest
import yaml

from deployer.lab.host import LabHost
from tests.lab.story import Ran, Story, get

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(1500)]

LOG = "/var/lib/deployer/nginx/private/log"
ALL = os.environ.get("DEPLOYER_SWEEP") == "all"
APART_S = 0.4  #: how much later the second one starts, at most


@pytest.mark.deployed
@pytest.mark.parametrize("shared", [3, 1], ids=["the same hosts", "one host in two inventories"])
def test_exactly_one_of_two_wins(story: Story, shared: int) -> None:
    seed = os.environ.get("DEPLOYER_SWEEP_SEED") or str(random.randrange(10**6))  # noqa: S311 - no secret
    print(f"DEPLOYER_SWEEP_SEED={seed}")
    dice = random.Random(seed)  # noqa: S311
    # The first to come must still be at work when the second one asks.
    story.playbook(health={"bake": "2s"})
    fleets = {"lab": story.lab.hosts, "twin": story.lab.hosts[-shared:]}
    inventory = yaml.safe_load((story.project / "inventories/lab.yml").read_text())
    theirs = {host.name for host in fleets["twin"]}
    inventory["web"]["hosts"] = {n: v for n, v in inventory["web"]["hosts"].items() if n in theirs}
    story.inventory(yaml.safe_dump(inventory), "twin")
    for number in range(1, 51 if ALL else 4):
        one_round(story, fleets, dice, f"round {number}")


def one_round(story: Story, fleets: dict[str, list[LabHost]], dice: random.Random, name: str) -> None:
    """Both deploy something else at the same moment."""
    before = {host.name: get(host)[1] for host in story.lab.hosts}
    logged = {host.name: len(log(host)) for host in story.lab.hosts}
    shops = {inventory: f"shop {inventory} {name}" for inventory in fleets}
    commits = {inventory: story.shop(text) for inventory, text in shops.items()}
    running = {}
    for inventory in dice.sample(sorted(fleets), 2):
        running[inventory] = story.start(
            "deploy", inventory, "--yes", "--json", "--rev", commits[inventory], home=inventory
        )
        time.sleep(dice.random() * APART_S)  # who comes first is different every time
    ran: dict[str, Ran] = {inventory: story.end(process) for inventory, process in running.items()}
    told = "\n".join(map(str, ran.values()))
    assert sorted(r.code for r in ran.values()) == [0, 3], f"{name}\n{told}"
    winner, loser = sorted(ran, key=lambda inventory: ran[inventory].code)
    lost = ran[loser].document
    assert {h["outcome"] for h in lost["hosts"].values()} <= {"refused", "untouched"}, f"{name}\n{told}"
    for host in story.lab.hosts:
        won = host in fleets[winner]
        assert get(host)[1] == (f"{shops[winner]}\n" if won else before[host.name]), f"{name}\n{told}"
        changed = {line.split()[1] for line in log(host)[logged[host.name] :] if line.split()[2] != "release"}
        # Whoever lost may have begun on hosts that the winner does not have, and given them up.
        assert not won or changed == {ran[winner].document["id"]}, f"{name}: {host.name} saw {changed}"


def log(host: LabHost) -> list[str]:
    """The host's own log: time, deployment, verb, release and result."""
    return host.read(LOG).splitlines()
