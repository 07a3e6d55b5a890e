"""The update of 12 June again: afterwards the journal explains what happened, to whom and why."""

from __future__ import annotations

import time

import pytest

from deployer.lab.load import Load
from tests.lab.story import SHOP, Story, wait_for

pytestmark = pytest.mark.lab

ACCESS = "/var/log/nginx/access.log"


def users(story: Story, rate: float = 90) -> Load:
    return Load([host.address for host in story.lab.hosts], rate=rate)


@pytest.mark.deployed
def test_the_outage_becomes_a_post_mortem(story: Story) -> None:
    story.shop("out of order", 503)
    with users(story) as load:
        wait_for(lambda: "200" in story.lab.host("web1").read(ACCESS), "nobody asks web1")
        failed = story.deploy(expect=4)
        seen = load.stop()
    ident = failed.ran.document["id"]
    assert seen.failed

    document = story.run("show", ident, "--format", "json").document
    told = document["explanation"]
    assert told["trouble"] is True
    assert (told["cause"]["fault"], told["cause"]["step"]) == ("config", "verify")
    assert told["cause"]["hosts"] == ["web1"]
    assert "shop: expected status 200, got 503" in told["cause"]["sentence"]
    (decided,) = [hunk for hunk in told["change"]["hunks"] if hunk["decided"]]
    assert decided["path"] == SHOP
    assert '+\t\treturn 503 "out of order\\n";' in decided["lines"]
    measured = told["impact"]["measured"]
    assert measured["unread"] == {}
    # The same users, seen from both ends; our own checks, which got 503 too, are none of them.
    assert 0 < measured["failed"] <= seen.failed
    assert measured["failed"] >= seen.failed * 0.8
    assert measured["before_requests"] > 0
    assert measured["before_failed"] == 0
    assert set(told["impact"]["hosts"]) == {"web1"}
    assert told["impact"]["hosts"]["web1"]["ended"] == "restored"

    text = story.run("show", ident, "--format", "markdown")
    assert text.code == 0
    for part in (
        "**Duration of the outage:**",
        "**Root cause:**",
        "**Specific tasks:**",
        "shop: expected status 200, got 503",
        '+\t\treturn 503 "out of order\\n";',
        f"{measured['failed']} of {measured['requests']} requests that web1 logged in that time",
        "web2, web3 never served it",
    ):
        assert part in text.out, text.out

    page = story.run("show", ident, "--format", "html").out
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<svg ") == 2
    assert "return 503 &quot;out of order\\n&quot;;" in page

    nothing = story.run("history", "--around", "2h ago", "--json")
    assert nothing.document["changed"] is False
    found = story.run("history", "lab", "--around", "now", "--json").document["suspects"]
    assert found[0]["deployment"]["id"] != ident, "it was taken back: the first is suspected more"
    assert ident in [each["deployment"]["id"] for each in found]
    listed = story.run("history", "--host", "web1", "--outcome", "failed", "--json").document["deployments"]
    assert [each["id"] for each in listed] == [ident]


@pytest.mark.deployed
def test_a_rollback_by_hand_is_the_other_half_of_the_story(story: Story) -> None:
    """No check saw it; what users met is read from the logs afterwards, through a rotation."""
    story.playbook(checks=[{"name": "up", "from": "command", "command": ["true"]}])
    story.shop("out of order", 503)
    with users(story):
        done = story.deploy()
        host = story.lab.host("web1")
        wait_for(lambda: host.read(ACCESS).count(" 503 ") > 20, "nobody meets it")
        host.run(["mv", ACCESS, f"{ACCESS}.1"])
        host.nginx("-s", "reopen")
        wait_for(lambda: host.path(ACCESS).exists() and " 503 " in host.read(ACCESS), "no new log")
        back = story.rollback()
    ident = done.ran.document["id"]
    before = story.run("show", ident).out
    assert f"taken back by the rollback {back.ran.document['id']}" in before
    assert f"deployer show {ident} --measure lab" in before
    ran = story.run("show", ident, "--measure", "lab", "--format", "json")
    assert ran.code == 0, ran
    told = ran.document["explanation"]
    assert told["cause"]["fault"] == "unseen"
    assert told["impact"]["measured"]["failed"] > 20
    assert told["tasks"][0]["title"] == "Write the check that was missing"
    assert "--measure" not in story.run("show", ident).out, "it is in the journal by now"
    taken = story.run("show", back.ran.document["id"], "--format", "markdown").out
    assert f"{ident} of" in taken
    assert '+\t\treturn 503 "out of order\\n";' in taken


@pytest.mark.deployed
def test_what_the_validator_named_is_shown(story: Story) -> None:
    began = time.time()
    story.commit({"conf.d/typo.conf": "# fine\nprox_pass http://127.0.0.1;\n"})
    refused = story.deploy(expect=3)
    document = story.run("show", refused.ran.document["id"], "--json").document
    told = document["explanation"]
    assert told["cause"]["fault"] == "config"
    assert told["cause"]["step"] == "prepare"
    assert "[emerg]" in told["cause"]["sentence"]
    assert told["change"]["proved"] is True
    assert [hunk["path"] for hunk in told["change"]["hunks"] if hunk["decided"]] == ["conf.d/typo.conf"]
    assert told["impact"]["hosts"] == {}
    assert told["impact"]["measured"] is None
    assert time.time() - began < 60


def test_a_log_in_another_format_is_said_to_be_unread(story: Story) -> None:
    main = (story.lab.repo / "nginx.conf").read_text()
    mine = "log_format mine escape=json '{\"s\": $status}';\n\taccess_log"
    story.commit({"nginx.conf": main.replace("access.log;", "access.log mine;").replace("access_log", mine)})
    story.deploy()
    host = story.lab.host("web1")
    host.run(["truncate", "-s", "0", ACCESS])
    story.shop("out of order", 503)
    with users(story):
        failed = story.deploy(expect=4)
    text = story.run("show", failed.ran.document["id"]).out
    assert f"no access log could be read ({ACCESS}: not in the format combined or main)" in text
    assert "Log on web1 in a format that can be counted" in text
