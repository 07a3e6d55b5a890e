"""A secret of the inventory reaches the hosts that need it, and nobody who reads what the program says."""

from __future__ import annotations

import pytest

from tests.lab.story import Ran, Story

pytestmark = pytest.mark.lab

OLD, NEW = "first-hunter-secret", "second-hunter-secret"
GATE = "conf.d/gate.conf"
MAP = 'map $http_x_token $gate {{\n\tdefault 0;\n\t"{word}" 1;\n}}\n'


def secret(story: Story, value: str) -> None:
    """Put a token into the inventory of all hosts."""
    folder = story.project / "inventories/group_vars"
    folder.mkdir(exist_ok=True)
    (folder / "all.yml").write_text(f"api_token: {value}\n")


def silent(ran: Ran) -> Ran:
    """Nothing of it was said."""
    assert OLD not in str(ran)
    assert NEW not in str(ran)
    return ran


def test_a_secret_is_on_the_hosts_and_nowhere_else(story: Story) -> None:
    secret(story, OLD)
    story.commit({f"{GATE}.j2": MAP.format(word="{{ api_token }}")})
    silent(story.deploy().ran)
    assert all(OLD in host.read(f"/etc/nginx/{GATE}") for host in story.lab.hosts)

    # Another one, which is all that changes: shown as a change, and not what it is or was.
    secret(story, NEW)
    document = silent(story.run("plan", "lab", "--json")).document
    assert [line for line in document["diffs"][0]["files"][GATE] if line[0] in "+-"][2:] == [
        '-\t"********" 1;',
        '+\t"********" 1;',
    ]
    plan = silent(story.run("plan", "lab"))
    assert '+\t"********" 1;' in plan.out
    silent(story.run("deploy", "lab", "--yes", "-v"))
    assert all(NEW in host.read(f"/etc/nginx/{GATE}") for host in story.lab.hosts)

    # Edited by hand, in the very line.
    host = story.lab.host("web2")
    host.write(f"/etc/nginx/{GATE}", host.read(f"/etc/nginx/{GATE}").replace(NEW, OLD))
    drifted = silent(story.run("deploy", "lab", "--yes"))
    assert drifted.code == 3, drifted
    assert '-\t"********" 1;' in drifted.err


def test_what_nginx_quotes_of_a_secret_is_masked(story: Story) -> None:
    secret(story, OLD)
    story.deploy()
    story.commit({f"{GATE}.j2": "{{ api_token }} on;\n"})
    refused = story.deploy(expect=3)
    silent(refused.ran)
    assert 'unknown directive "********"' in refused.reason
    for argv in (["deploy", "lab", "--yes"], ["show", "last"], ["show", "last", "--json"]):
        assert 'unknown directive "********"' in str(silent(story.run(*argv))).replace("\\", "")
    kept = b"".join(path.read_bytes() for path in (story.directory / "home").rglob("*") if path.is_file())
    assert b"unknown directive" in kept, "the journal is not where it was looked for"
    assert OLD.encode() not in kept
