"""Real deployments are told: one message for a problem, one when it is over, and broken glass at once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.lab.story import Story
from tests.lab.watching import watching
from tests.unit import receivers

pytestmark = pytest.mark.lab

KEY = "hunter22"


def test_what_people_hear_of_a_bad_week(story: Story) -> None:
    with receivers.hook() as archive, receivers.post() as mail:
        told = [
            {"webhook": archive.url, "secret": "${HOOK_KEY}", "level": "info", "name": "archive"},
            {"url": mail.url, "name": "mail"},
        ]
        story.playbook(notify=told)
        assert story.run("adopt", "lab", HOOK_KEY=KEY).code == 0
        assert archive.events == ["adopt.started", "adopt.unchanged"]
        assert "began an adoption on web1..web3" in archive.got[0].event["happened"]
        assert mail.got == []
        archive.got.clear()

        # Somebody breaks the glass for a configuration that fails: heard of at once, and of its end once.
        frozen = {"name": "sale", "from": at(-60), "to": at(60)}
        story.playbook(notify=told, gates={"freeze": [frozen]})
        story.shop("shop 2", 503)
        failed = story.deploy("--break-glass", "the boss wants it", expect=4, HOOK_KEY=KEY)
        assert sorted(archive.events[:2]) == ["deploy.started", "gates.broken"]
        assert archive.events[2:] == ["quarantine.added", "deploy.rolled_back"]
        last = archive.got[-1].event
        assert last["hosts"]["web1"] == "rolled_back"
        assert last["commands"] == [f"deployer show {failed.ran.document['id']}"]
        assert "the boss wants it" in mail.text(0)
        assert mail.subjects == [
            "[deployer] WARNING lab: GLASS BROKEN: closed gates were passed",
            "[deployer] WARNING lab: deployment failed and was rolled back",
        ]
        assert failed.ran.err.splitlines()[-1] == "told: archive, mail"

        # The schedule goes on every night: refused for that quarantine, of which everybody knows.
        story.playbook(notify=told)
        for _ in range(2):
            assert "quarantined" in story.deploy(expect=3, HOOK_KEY=KEY).reason
        assert len(mail.got) == 2

        # The cure: it is over. A run with nothing new says nothing.
        archive.got.clear()
        story.shop("shop 3")
        story.deploy(HOOK_KEY=KEY)
        story.deploy(HOOK_KEY=KEY)
        assert archive.events == ["deploy.started", "deploy.rolled_back.over"]
        assert mail.subjects[2:] == ["[deployer] lab: OVER: deployment failed and was rolled back"]

        # A rollback is loud, what was let out of quarantine is for the archive.
        archive.got.clear()
        back = story.rollback(HOOK_KEY=KEY)
        (bad,) = back.ran.document["quarantined"]
        assert story.run("quarantine", "release", "lab", bad, "--yes", HOOK_KEY=KEY).code == 0
        assert archive.events == [
            "rollback.started", "quarantine.added", "rollback.rolled_back", "quarantine.released",
        ]  # fmt: skip
        assert mail.subjects[3:] == ["[deployer] WARNING lab: rollback succeeded: the fleet was taken back"]
        assert story.run("recover", "lab", "--yes", HOOK_KEY=KEY).code == 0
        assert len(archive.got) == 4
        for got in archive.got:
            assert b"hunter22" not in got.body
        shown = story.run("show", failed.ran.document["id"])
        assert "Told: archive, mail" in shown.out


def test_a_log_of_a_deployment_is_records_with_hosts_and_steps(story: Story) -> None:
    story.shop("shop 2")
    ran = story.run("deploy", "lab", "--yes", "--log", "json")
    assert ran.code == 0, ran
    records = [json.loads(line) for line in ran.err.splitlines()]
    proved = [r["host"] for r in records if (r.get("event"), r.get("state")) == ("activate", "succeeded")]
    assert sorted(proved) == ["web1", "web2", "web3"]
    assert records[-1]["event"] == "deploy.deployed"


def test_a_watch_tells_of_a_trouble_and_of_its_end_also_after_a_restart(story: Story) -> None:
    web1 = story.lab.host("web1")
    with receivers.hook() as hook:
        told = {"webhook": hook.url, "secret": "${HOOK_KEY}", "level": "critical"}
        story.playbook(notify=[told])
        story.deploy(HOOK_KEY=KEY)
        with watching(story, HOOK_KEY=KEY) as watch:
            watch.until_all_up()
            web1.stop_nginx()
            receivers.until(lambda: "watch.down" in hook.events)
            assert watch.stop() == 0
        with watching(story, HOOK_KEY=KEY) as watch:
            watch.until_all_up()
            web1.start_nginx()
            receivers.until(lambda: "watch.down.over" in hook.events)
            assert watch.stop() == 0
        down = [got.event for got in hook.got if got.event["topic"] == "watch down"]
        assert [event["turn"] for event in down] == ["problem", "over"]
        assert (down[0]["title"], down[0]["hosts"]) == ("down on web1", {"web1": "down"})


def at(minutes: int) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M")
