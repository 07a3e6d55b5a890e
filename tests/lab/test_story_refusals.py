"""What cannot be deployed is refused on every host, before any host has changed."""

from __future__ import annotations

import pytest

from deployer.lab import sample
from tests.lab.story import Story, get

pytestmark = pytest.mark.lab

BROKEN: dict[str, dict[str, str | None]] = {
    "in the main file": {"nginx.conf": "user www-data;\nnonsense here;\nevents {}\n"},
    "behind an absolute include": {"conf.d/broken.conf": "server { listen 80; nonsense here; }\n"},
}


def test_a_syntax_error_changes_nothing_at_first_contact(story: Story) -> None:
    assert_each_is_refused(story)


@pytest.mark.deployed
def test_a_syntax_error_changes_nothing_later(story: Story) -> None:
    assert_each_is_refused(story)
    story.assert_serving("shop 1")


def assert_each_is_refused(story: Story) -> None:
    for changes in BROKEN.values():
        story.commit(changes)
        assert_refused_everywhere(story, "nonsense")
        sample.git(story.lab.repo, "reset", "--quiet", "--hard", "HEAD~1")


@pytest.mark.deployed
def test_a_commit_without_a_main_file(story: Story) -> None:
    story.commit({"nginx.conf": None})
    assert_refused_everywhere(story, "nginx.conf")


def test_one_host_that_says_no_is_enough_whatever_the_budget(story: Story) -> None:
    story.playbook(rollout={"max_failures": 2})
    for name in ("web1", "web2"):
        story.lab.host(name).write("/etc/only-here.conf", "# nothing\n")
    story.commit({"conf.d/only.conf": "include /etc/only-here.conf;\n"})
    refused = assert_refused_everywhere(story, "only-here.conf")
    assert refused["web3"]["outcome"] == "refused"
    assert "only-here.conf" in refused["web3"]["reason"]


@pytest.mark.deployed
def test_a_port_of_somebody_else(story: Story) -> None:
    squatter = "import socket, time\ns = socket.create_server(('0.0.0.0', 9191))\ntime.sleep(300)\n"
    host = story.lab.host("web2")
    host.run(["sh", "-c", 'setsid python3 -c "$1" >/dev/null 2>&1 &', "sh", squatter])
    story.until_listening(host, 9191)
    story.commit({"conf.d/second.conf": "server { listen 9191; return 200; }\n"})
    before = story.trees()
    failed = story.run("deploy", "lab", "--yes", "--json")
    assert failed.code == 3, failed
    assert "9191" in failed.document["reason"]
    assert story.trees() == before
    story.assert_serving("shop 1")


@pytest.mark.deployed
def test_nginx_that_is_stopped_already(story: Story) -> None:
    story.shop("shop 2")
    story.lab.host("web2").stop_nginx()
    refused = assert_refused_everywhere(story, "web2", nginx=False)
    assert refused["web2"]["outcome"] == "refused"
    assert "--fix-forward" in refused["web2"]["reason"]


def test_a_repository_that_is_not_there(story: Story) -> None:
    for repo in (str(story.directory / "nowhere"), "http://127.0.0.1:1/x.git", "ssh://git@127.0.0.1:1/x"):
        story.playbook(source={"repo": repo})
        ran = story.run("deploy", "lab", "--yes")
        assert ran.code == 3, ran
        assert repo in ran.err
        assert len(ran.err.splitlines()) <= 4, ran


def test_without_a_journal_nothing_is_done(story: Story) -> None:
    before = story.trees()
    ran = story.run("deploy", "lab", "--yes", DEPLOYER_STATE="sqlite:////proc/nobody/journal.db")
    assert ran.code == 3, ran
    assert "journal" in ran.err
    assert story.trees() == before


def assert_refused_everywhere(story: Story, why: str, *, nginx: bool = True) -> dict[str, dict[str, str]]:
    """Deploy: refused for this reason, trees and workers as they were. The hosts of the result."""
    before = story.trees()
    workers = {host.name: host.nginx_pids() for host in story.lab.hosts}
    refused = story.deploy(expect=3)
    assert refused.outcome == "refused"
    assert why in refused.reason
    assert set(refused.outcomes.values()) <= {"refused", "untouched"}
    assert story.trees() == before
    assert {host.name: host.nginx_pids() for host in story.lab.hosts} == workers
    for seen in story.status(expect=0 if nginx else 6).values():
        assert seen["owner"] is None
    if nginx:
        assert {get(host)[0] for host in story.lab.hosts} == {200}
    return refused.hosts
