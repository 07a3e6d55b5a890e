"""Questions are asked with a customer's token, and the token is nowhere but in the questions."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.lab.story import Ran, Story

pytestmark = pytest.mark.lab

SECRET = "open-sesame-1234-abcdef"  # noqa: S105
API = """\
server {
	listen 127.0.0.1:8089;
	location / { if ($http_authorization ~ "^Bearer open-sesame") { return 204; } return 401; }
}
server {
	listen 80;
	server_name api.example.com;
	location = /_auth { internal; proxy_pass http://127.0.0.1:8089; }
	location / { auth_request /_auth; proxy_pass http://127.0.0.1:8081; }
}
"""
AS = [
    {
        "name": "customer",
        "headers": {"Authorization": "Bearer ${PROBE}"},
        "only": ["api.example.com/*"],
    }
]


def seen_by_ps(over: threading.Event, found: list[str]) -> None:
    """Whether any process of the machine has it among its arguments, as often as there is time to look."""
    while not over.wait(0.05):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:
                continue
            if SECRET.encode() in words:
                found.append(words.decode(errors="replace"))


def test_a_token_asks_and_is_nowhere_else(story: Story) -> None:
    story.playbook(compare={"as": AS})
    story.commit({"conf.d/api.conf": API})
    story.deploy()  # where nothing is asked, nothing is wanted
    story.playbook(rehearse={"answers": "all"}, compare={"as": AS})
    unset = story.run("deploy", "lab", "--yes")
    assert unset.code == 2, unset
    assert "compare.as[0].headers.Authorization: the variable PROBE is not set" in unset.err
    split = story.run("deploy", "lab", "--yes", PROBE=f"{SECRET}\r\nX-Admin: yes")
    assert split.code == 2, split
    assert "has to hold one line of plain ASCII" in split.err

    over, listed = threading.Event(), list[str]()
    looking = threading.Thread(target=seen_by_ps, args=(over, listed))
    looking.start()
    try:
        said: list[Ran] = [unset, split]
        story.shop("shop 2")
        said.append(story.deploy("-v", PROBE=SECRET).ran)
        # What breaks behind the door is refused, though anybody gets 401 as before.
        story.commit({"conf.d/api.conf": API.replace(":8081", ":8082")})
        refused = story.run("deploy", "lab", "--yes", "-v", PROBE=SECRET)
        said += [refused, story.run("show", "last"), story.run("show", "last", "--json")]
        assert refused.code == 3, refused
        assert "api.example.com/ as customer" in refused.err
        changed = API.replace("auth_request /_auth; ", "auth_request /_auth; add_header X-New 1; ")
        story.commit({"conf.d/api.conf": changed})
        stale = story.deploy("-v", PROBE="not " + SECRET)
        said.append(stale.ran)
        assert "the credentials of customer are not accepted by live" in str(stale.ran)
    finally:
        over.set()
        looking.join()
    assert listed == []
    assert SECRET not in "\n".join(map(str, said))
    kept = [path for path in (story.directory / "home").rglob("*") if path.is_file()]
    for host in story.lab.hosts:
        kept += [
            path
            for folder in ("/var/lib/deployer", "/var/log", "/run", "/tmp")
            for path in host.path(folder).rglob("*")
            if path.is_file() and not path.is_symlink()
        ]
    assert kept
    assert [path for path in kept if SECRET.encode() in path.read_bytes()] == []
