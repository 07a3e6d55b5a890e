"""Wrong use and wrong files: exit 2, one sentence, and no host is asked for anything."""

from __future__ import annotations

import json

import pytest

from tests.lab.story import PROGRAM, Story

pytestmark = pytest.mark.lab


@pytest.fixture
def nobody(story: Story) -> Story:
    """A story whose hosts are all off: whoever asks them would wait, or say so."""
    story.inventory("web:\n  hosts:\n    web1: {ansible_host: 127.0.0.1, ansible_port: 1}\n")
    return story


def said(story: Story, *argv: str, code: int = 2, **env: str) -> str:
    """Run it; the one sentence it said on stderr."""
    ran = story.run(*argv, **env)
    assert ran.code == code, ran
    assert ran.out == "" or ran.document["exit_code"] == code, ran
    return ran.err


@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_without_a_terminal_yes_is_needed(nobody: Story, command: str) -> None:
    assert "--yes" in said(nobody, command, "lab")
    assert "--yes" in said(nobody, command, "lab", "--json")
    assert not (nobody.directory / "home/state").exists()


def test_a_wrong_playbook_names_line_and_key(nobody: Story) -> None:
    file = nobody.project / "playbooks/nginx.yml"
    repo = json.dumps(str(nobody.lab.repo))
    cases = {
        f"source:\n  repo: {repo}\nrollout:\n  wave: [1]\n": ("nginx.yml:4", "wave"),
        f"source:\n  repo: {repo}\nhealth:\n  bake: soon\n": ("nginx.yml:4", "bake"),
        f"source:\n  repo: {repo}\n  repo: {repo}\n": ("nginx.yml:3", "repo"),
        f"source:\n  repo: {repo}\n ref: [\n": ("nginx.yml:3",),
        f"source:\n  repo: {repo}\nalerts: []\n": ("nginx.yml:3", "alerts"),
        "checks: []\n": ("nginx.yml", "source"),
        "": ("nginx.yml",),
    }
    for text, words in cases.items():
        file.write_text(text)
        sentence = said(nobody, "deploy", "lab", "--yes")
        for word in words:
            assert word in sentence, (text, sentence)


def test_a_wrong_inventory_names_line_and_key(nobody: Story) -> None:
    cases = {
        "web:\n  hosts:\n    web1: {}\n  wars: {}\n": ("lab.yml:4", "wars"),
        "web:\n  hosts:\n    web1:\n      ansible_port: many\n": ("lab.yml:4", "ansible_port"),
        "web:\n  hosts: [\n": ("lab.yml:",),
        "web:\n  hosts:\n    web[1:: {}\n": ("lab.yml:3",),
    }
    for text, words in cases.items():
        nobody.inventory(text)
        sentence = said(nobody, "deploy", "lab", "--yes")
        for word in words:
            assert word in sentence, (text, sentence)


def test_what_is_not_there_is_named(nobody: Story) -> None:
    assert "nowhere" in said(nobody, "deploy", "nowhere", "--yes")
    assert "nothing" in said(nobody, "deploy", "lab", "--yes", "--playbook", "nothing")
    assert "db9" in said(nobody, "deploy", "lab", "--yes", "--limit", "db9")
    assert "no-such-config" in said(nobody, "plan", "lab", "--ssh-config", "no-such-config")
    assert "--bogus" in said(nobody, "deploy", "lab", "--bogus")
    nobody.playbook("second")
    sentence = said(nobody, "deploy", "lab", "--yes")
    assert "nginx" in sentence
    assert "second" in sentence
    assert "--playbook" in sentence


def test_revisions_that_git_does_not_know(story: Story) -> None:
    before = story.trees()
    assert "no-such-branch" in said_last(story, "no-such-branch")
    assert "deadbeefdeadbeef" in said_last(story, "deadbeefdeadbeef")
    for option in ("--upload-pack=touch /tmp/x", "-oProxyCommand=x", "-h"):
        assert option in said_last(story, option)
    story.playbook(source={"path": "not/there"})
    assert "not/there" in said_last(story, "main")
    story.playbook(source={"ref": "--output=/tmp/x"})
    assert "ref" in said(story, "deploy", "lab", "--yes")
    assert story.trees() == before


def said_last(story: Story, revision: str) -> str:
    """Deploy this revision; what was said at the end."""
    return said(story, "deploy", "lab", "--yes", f"--rev={revision}").splitlines()[-1]


def test_json_is_said_also_when_it_goes_wrong_early(story: Story) -> None:
    for argv in (
        ["show", "no-such-id", "--json"],
        ["status", "nowhere", "--json"],
        ["deploy", "lab", "--yes", "--json", "--rev", "nope"],
        ["plan", "lab", "--json", "--rev", "nope"],
    ):
        ran = story.run(*argv)
        assert ran.code == 2, ran
        assert ran.document["exit_code"] == 2
        assert ran.document["reason"] in ran.err


def test_help_lists_what_is_there(story: Story) -> None:
    ran = story.run("--help")
    assert ran.code == 0
    there = "init check adopt plan deploy rollback status recover unlock history show schema lab quarantine"
    for command in [*there.split(), "watch", "notify", "schedule", "staging", "drill"]:
        assert f"\n  {command} " in ran.out, command
        assert story.run(command, "--help").code == 0


def test_options_have_variables(story: Story) -> None:
    env = {"DEPLOYER_YES": "1", "DEPLOYER_JSON": "1", "DEPLOYER_LIMIT": "web1"}
    ran = story.run("deploy", "lab", **env)
    assert ran.code == 0, ran
    assert set(ran.document["hosts"]) == {"web1"}


def test_the_installed_program_is_the_same() -> None:
    import subprocess
    from pathlib import Path

    script = Path(PROGRAM[0]).with_name("deployer")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=30, check=True)
    assert "rollback" in done.stdout


def test_init_writes_files_that_are_read(story: Story) -> None:
    done = story.run("init", str(story.directory / "new"))
    assert done.code == 0, done
    project = str(story.directory / "new")
    again = story.run("init", project)
    assert again.code == 2, again
    ran = story.run("status", "production", "--limit", "nobody", DEPLOYER_PROJECT=project)
    assert ran.code == 2, ran
    assert "nobody" in ran.err


def test_history_and_show(story: Story) -> None:
    commit = story.shop("shop 2")
    good = story.deploy().ran.document["id"]
    story.shop("out of order", 503)
    bad = story.deploy(expect=4).ran.document["id"]
    back = story.rollback().ran.document["id"]
    listed = story.run("history", "lab", "--json")
    assert listed.code == 0, listed
    assert [d["id"] for d in listed.document["deployments"]] == [back, bad, good]
    table = story.run("history")
    assert [i for i in (back, bad, good) if i in table.out] == [back, bad, good]
    assert story.run("history", "other").out.count(good) == 0

    shown = story.run("show", bad)
    assert shown.code == 0, shown
    for word in ("503", "web1", "UTC", bad):
        assert word in shown.out, (word, shown.out)
    assert story.run("show", good, "--format", "markdown").out.startswith("#")
    document = story.run("show", good, "--json").document
    assert commit in json.dumps(document)
    assert story.run("show", "last").out.count(back)
    missing = story.run("show", "20200101-000000-none")
    assert missing.code == 2, missing
