"""The program tells people: tried before the bad day, once for a problem, and never less safe for it."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployer.cli import structured
from deployer.notify import senders
from tests.unit import receivers
from tests.unit.project import Project
from tests.unit.receivers import Hook, Post

from .conftest import Call

KEY = "hunter22 the key"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setenv("HOOK_KEY", KEY)
    monkeypatch.setenv("no_proxy", "*")
    with receivers.hook() as made:
        yield made


@pytest.fixture
def post() -> Iterator[Post]:
    with receivers.post() as made:
        yield made


def tells(project: Project, *recipients: dict[str, Any], **more: Any) -> None:
    project.playbook("nginx", notify=list(recipients), lint={"fail_on": "never"}, **more)


def by(hook: Hook, **more: Any) -> dict[str, Any]:
    return {"webhook": f"{hook.url}?token=${{HOOK_KEY}}", "secret": "${HOOK_KEY}", **more}


def test_the_test_says_of_everybody_whether_it_was_told(
    project: Project, hook: Hook, post: Post, call: Call
) -> None:
    gone = {"url": "slack://${NOT_THERE}", "level": "critical"}
    tells(project, by(hook, level="critical"), {"url": post.url, "name": "on call"}, gone)
    ran = call("notify", "test", "lab")
    assert ran.code == 6
    webhook, mail, chat = ran.out.splitlines()
    assert webhook.startswith("webhook (from critical): told (")
    assert mail.startswith("on call (from warning): told (")
    assert chat.startswith("slack (from critical): NOT told: the variable NOT_THERE is not set")
    assert post.subjects == ["[deployer] INFO lab: this is a test"]
    only = call("notify", "test", "lab", "--to", "on call", "--json")
    assert only.code == 0
    (told,) = json.loads(only.out)["recipients"]
    assert (told["name"], told["told"], told["reason"]) == ("on call", True, None)
    assert hook.events == ["test"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [((), "names nobody"), (("--to", "x"), "names nobody")],
)
def test_nobody_to_tell_is_wrong_use(project: Project, call: Call, argv: tuple[str, ...], said: str) -> None:
    ran = call("notify", "test", "lab", *argv)
    assert (ran.code, said in ran.err) == (2, True)


def test_a_schedule_that_is_refused_every_time_tells_it_once(
    project: Project, hook: Hook, post: Post, call: Call
) -> None:
    tells(project, by(hook, name="archive"), {"url": post.url})
    codes = [call("deploy", "lab", "--yes").code for _ in range(3)]
    assert codes == [3, 3, 3]  # no host answers
    assert hook.events == ["deploy.refused"]
    event = hook.got[0].event
    assert event["hosts"] == {"web1": "unreachable", "web2": "unreachable"}
    assert event["commands"] == [f"deployer show {event['deployment']}", "deployer deploy lab"]
    assert post.subjects == ["[deployer] WARNING lab: deployment refused"]
    assert "Told: archive, mailto" in call("show", event["deployment"]).out


def test_what_ends_before_it_began_is_told_when_nobody_sees_it(
    project: Project, hook: Hook, call: Call
) -> None:
    tells(project, by(hook))
    ran = call("deploy", "lab", "--yes", "--rev", "no-such-branch")
    assert ran.code == 2
    assert "no-such-branch" in hook.got[0].event["happened"]


@pytest.mark.slow
def test_nobody_being_told_is_one_line_and_nothing_else(
    project: Project, hook: Hook, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "ANSWER_S", 0.5)
    hook.status = None
    tells(project, by(hook, name="hangs"))
    ran = call("deploy", "lab", "--yes", "--json", "-q")
    assert ran.code == 3
    assert json.loads(ran.out)["outcome"] == "refused"
    assert ran.err.splitlines()[-1] == "warning: nobody was told: hangs: it did not answer within 0.5 s"
    shown = call("show", "last").out
    assert "NOT told: hangs: it did not answer" in shown
    for text in (ran.out, ran.err, shown):
        assert "hunter22" not in text


def test_a_bug_in_telling_harms_nothing(
    project: Project, hook: Hook, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("deployer.notify.outcomes.ended", broken)
    tells(project, by(hook))
    ran = call("deploy", "lab", "--yes", "-q")
    assert ran.code == 3
    assert "warning: nobody is told: a bug in deployer (RuntimeError: broken)" in ran.err


def test_a_log_of_json_has_nothing_but_records_and_no_secret(
    project: Project, hook: Hook, call: Call
) -> None:
    tells(project, by(hook))
    ran = call("deploy", "lab", "--yes", "--log", "json")
    assert ran.code == 3
    assert ran.out.startswith("Refused:")
    records = [json.loads(line) for line in ran.err.splitlines()]
    assert {"time", "level", "message"} <= set.intersection(*map(set, records))
    assert {record.get("inventory") for record in records} == {"lab"}
    (refused,) = [record for record in records if record.get("event") == "deploy.refused"]
    assert (refused["level"], refused["exit_code"]) == ("warning", 3)
    assert [r["state"] for r in records if r.get("event") == "plan"] == ["succeeded"]
    assert records[-1]["detail"]["told"] == ["webhook"]
    assert "hunter22" not in ran.err
    failed = call("deploy", "lab", "--yes", "--rev", "nowhere", "--log", "json")
    *_, last, told = [json.loads(line) for line in failed.err.splitlines()]
    assert (last["event"], last["level"]) == ("error", "error")
    assert told["event"] == "notify"
    plain = call("deploy", "lab", "--yes", "--rev", "nowhere").err
    assert "\ndeployer: revision 'nowhere'" in plain


def test_a_log_for_journald_has_its_fields(
    project: Project, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    monkeypatch.setattr(structured, "JOURNAL", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(path))
        journald.settimeout(30)
        ran = call("deploy", "lab", "--yes", "--log", "journald")
        journald.setblocking(False)
        got = []
        while True:
            try:
                got.append(fields(journald.recv(1 << 20)))
            except BlockingIOError:
                break
    assert (ran.code, ran.err) == (3, "")
    (refused,) = [one for one in got if one.get("DEPLOYER_EVENT") == "deploy.refused"]
    assert (refused["PRIORITY"], refused["SYSLOG_IDENTIFIER"]) == ("4", "deployer")
    assert refused["DEPLOYER_INVENTORY"] == "lab"
    assert json.loads(refused["DEPLOYER_DETAIL"])["hosts"] == {"web1": "unreachable", "web2": "unreachable"}


def test_without_a_journald_it_is_json_and_says_so(project: Project, call: Call, monkeypatch: Any) -> None:
    monkeypatch.setattr(structured, "JOURNAL", "/nowhere/socket")
    ran = call("status", "lab", "--log", "journald")
    assert json.loads(ran.err.splitlines()[0])["message"].startswith("there is no journald here")
    assert call("status", "lab", "--log", "xml").code == 2


def test_a_look_by_a_timer_tells_what_stands_once(project: Project, hook: Hook, call: Call) -> None:
    tells(project, by(hook))
    assert [call("watch", "lab", "--once").code for _ in range(2)] == [6, 6]
    (got,) = [one.event for one in hook.got if one.event["event"] == "watch.unreachable"]
    assert got["title"] == "unreachable on web1, web2"
    assert (got["level"], got["commands"]) == ("warning", ["deployer status lab"])


def fields(datagram: bytes) -> dict[str, str]:
    """Read journald's native protocol, as systemd.io describes it."""
    found = {}
    while datagram:
        name, _, datagram = datagram.partition(b"\n")
        if b"=" in name:
            key, _, value = name.partition(b"=")
        else:
            key, (size,) = name, struct.unpack("<Q", datagram[:8])
            value, datagram = datagram[8 : 8 + size], datagram[8 + size + 1 :]
        found[key.decode()] = value.decode()
    return found
