"""What passes every test and yet is wrong: the canary shows it, and goes back to the last known good."""

from __future__ import annotations

import pytest

from deployer.lab import sample
from tests.lab.story import SHOP, SHOP_CHECK, Story, get

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("when", ["at first contact", pytest.param("later", marks=pytest.mark.deployed)])
def test_a_configuration_that_answers_503(story: Story, when: str) -> None:
    before = story.trees()
    workers = {host.name: host.nginx_pids() for host in story.lab.hosts}
    story.shop("out of order", 503)
    failed = story.deploy(expect=4)
    assert failed.outcome == "rolled_back"
    assert failed.outcomes == {"web1": "rolled_back", "web2": "untouched", "web3": "untouched"}
    assert "503" in failed.reason
    assert [w["decision"] for w in failed.ran.document["waves"]] == ["failed", "not started"]
    assert story.trees() == before
    for name in ("web2", "web3"):
        assert story.lab.host(name).nginx_pids() == workers[name], "was touched"
    story.assert_serving("shop 1")


@pytest.mark.deployed
def test_a_limit_whose_key_changed_is_never_loaded(story: Story) -> None:
    before = story.trees()
    limits = (story.lab.repo / "conf.d/limits.conf").read_text()
    story.commit({"conf.d/limits.conf": limits.replace("$binary_remote_addr", "$server_name")})
    ran = story.run("deploy", "lab", "--yes", "--json")
    assert ran.code in (3, 4), ran
    assert "shop" in ran.document["reason"]  # the zone that nginx names
    assert story.trees() == before
    story.assert_serving("shop 1")


@pytest.mark.deployed
def test_a_bad_second_wave_takes_the_first_back_too(story: Story) -> None:
    before = story.trees()
    story.commit(only_on("web1"))
    failed = story.deploy(expect=4)
    assert failed.outcomes["web1"] == "rolled_back"
    assert "untouched" not in failed.outcomes.values()
    assert story.trees() == before
    story.assert_serving("shop 1")


@pytest.mark.deployed
@pytest.mark.parametrize(
    ("scope", "kept"), [("wave", {"web1"}), pytest.param("host", {"web1", "web2"}, marks=pytest.mark.slow)]
)
def test_who_goes_back(story: Story, scope: str, kept: set[str]) -> None:
    story.playbook(rollout={"on_failure": scope})
    story.commit(only_on("web1", "web2"))
    failed = story.deploy(expect=6)
    assert failed.outcome == "partial"
    assert {name for name, outcome in failed.outcomes.items() if outcome == "deployed"} == kept
    assert failed.outcomes["web3"] == "rolled_back"
    for host in story.lab.hosts:
        assert get(host) == (200, "shop 2\n" if host.name in kept else "shop 1\n")
        assert story.status("--limit", host.name, expect=6 if host.name in kept else 0)


@pytest.mark.deployed
def test_failures_within_the_budget_leave_hosts_behind(story: Story) -> None:
    story.playbook(rollout={"max_failures": 1})
    story.commit(only_on("web1", "web2"))
    done = story.deploy(expect=6)
    assert done.outcomes == {"web1": "deployed", "web2": "deployed", "web3": "rolled_back"}
    assert "web3" in done.reason
    story.assert_serving("shop 2", story.lab.hosts[:2])
    story.assert_serving("shop 1", story.lab.hosts[2:])
    story.status(expect=6)  # each host is well, and the fleet is split


@pytest.mark.deployed
def test_a_service_that_dies_in_the_bake(story: Story) -> None:
    before = story.trees()
    story.playbook(
        checks=[SHOP_CHECK, {"name": "up", "from": "command", "command": ["test", "!", "-e", "/run/sick"]}],
        health={"bake": "60s"},
    )
    story.shop("shop 2")
    process = story.start("deploy", "lab", "--yes")
    story.until_said(process, "web1: activated")
    host = story.lab.host("web1")
    story.until_served(host, "shop 2")
    host.write("/run/sick", "")
    story.until_said(process, "TAKING BACK")
    host.run(["rm", "/run/sick"])
    ran = story.end(process)
    assert ran.code == 4, ran
    assert story.trees() == before
    story.assert_serving("shop 1")


def only_on(*hosts: str) -> dict[str, str | None]:
    """A shop, as a template, that works on these hosts alone."""
    works = " or ".join(f'inventory_hostname == "{name}"' for name in hosts)
    text = sample.shop("shop 2", 777).replace("777", "{{ 200 if " + works + " else 503 }}")
    return {SHOP: None, f"{SHOP}.j2": text}
