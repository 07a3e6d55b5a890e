"""Nobody watches: little is said of nothing, a refusal is told once, and what a dead run left is seen to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.story import Ran, Story, get

pytestmark = pytest.mark.lab

UNATTENDED = ("deploy", "lab", "--yes", "--unattended", "--recover", "--on-calendar", "*:0/15")
FOREVER: dict[str, Any] = {
    "freeze": [{"name": "audit", "from": "2020-01-01T00:00", "to": "2099-01-01T00:00"}]
}


def run(story: Story, expect: int) -> Ran:
    ran = story.run(*UNATTENDED)
    assert ran.code == expect, ran
    return ran


def listed(story: Story, expect: int) -> dict[str, Any]:
    ran = story.run("schedule", "--list", "--json")
    assert ran.code == expect, ran
    (found,) = json.loads(ran.out)["schedules"]
    return dict(found)


def test_nothing_new_is_one_line_and_a_refusal_is_told_once(story: Story) -> None:
    story.shop("shop 2")
    assert run(story, 0).out.startswith("lab: deployed ")
    quiet = run(story, 0)
    assert quiet.out.startswith("lab: nothing new, 3 hosts on "), quiet
    assert (quiet.out.count("\n"), quiet.err) == (1, "")
    assert listed(story, 0)["last_outcome"] == "unchanged"
    run(story, 0)
    kept = json.loads(story.run("history", "lab", "--json").out)["deployments"]
    assert [(each["outcome"], each["times"]) for each in kept] == [("unchanged", 2), ("deployed", 1)]

    story.shop("shop 3")
    story.playbook(gates=FOREVER)
    told = run(story, 3)
    assert "Refused: nothing was changed" in told.err, told
    assert "frozen by 'audit'" in told.err
    assert told.out == ""  # cron mails what is on stderr
    again = run(story, 0)
    assert again.out.startswith("lab: still refused, as told "), again
    assert (again.out.count("\n"), again.err) == (1, "")
    assert listed(story, 6)["trouble"] == "refused"
    assert story.deploy(expect=3).outcome == "refused"  # a person is told each time

    story.playbook()
    over = run(story, 0)
    assert over.out.startswith("lab: deployed "), over
    assert over.out.endswith(" is over\n"), over
    assert listed(story, 0)["refused_since"] is None

    story.rollback()
    assert "is quarantined" in run(story, 3).err
    quiet = run(story, 0)
    assert "is quarantined" in quiet.out, quiet
    assert quiet.err == ""
    assert {get(host)[1] for host in story.lab.hosts} == {"shop 2\n"}


@pytest.mark.deployed
def test_what_a_killed_run_left_is_seen_to_by_the_next(story: Story) -> None:
    story.playbook(health={"deadline": "5s", "interval": "50ms", "consecutive": 2, "bake": "60s"})
    story.shop("shop 2")
    dead = story.start(*UNATTENDED)
    story.until_said(dead, "activated")
    dead.kill()
    dead.communicate(timeout=30)
    story.playbook()
    ran = run(story, 0)
    assert "back on its release" in ran.err, ran
    assert ran.out.startswith("lab: deployed "), ran
    assert {get(host)[1] for host in story.lab.hosts} == {"shop 2\n"}
