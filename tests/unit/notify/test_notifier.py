"""One message for one problem, one more when it is over; nobody waits for somebody who does not answer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from deployer.config.notify import Level
from deployer.journal import Store
from deployer.model import DeploymentRecord
from deployer.notify import notifier as room
from tests.unit.receivers import Hook, Post, until

from .conftest import Make, by_hook, by_url, good, problem

pytestmark = pytest.mark.slow


def test_a_problem_is_told_once_by_however_many_processes_and_its_end_once(
    hook: Hook, post: Post, notifier: Make
) -> None:
    everybody = (by_hook(hook), by_url(post.url))
    for _ in range(3):
        one = notifier(*everybody)
        one.tell(problem())
        one.close()
    assert hook.events == ["deploy.refused"]
    for _ in range(2):
        one = notifier(*everybody)
        one.tell(good("deploy"))
        report = one.close()
    assert report.line is None
    assert hook.events == ["deploy.refused", "deploy.refused.over"]
    assert post.subjects == [
        "[deployer] WARNING lab: deployment refused",
        "[deployer] lab: OVER: deployment refused",
    ]
    assert "It is over, after" in post.text()


def test_another_problem_is_told_again_and_what_it_is_about_stays_one(hook: Hook, notifier: Make) -> None:
    one = notifier(by_hook(hook))
    one.tell(problem(fingerprint="1"))
    one.tell(problem(fingerprint="1"))
    one.tell(problem(fingerprint="2"))
    one.tell(problem(topic="watch web1 drift", fingerprint="2"))
    one.tell(good("deploy"))
    one.close()
    overs = [got.event["topic"] for got in hook.got if got.event["turn"] == "over"]
    assert hook.events.count("deploy.refused") == 3
    assert overs == ["deploy"]


def test_a_schedule_that_is_refused_for_what_it_was_told_of_tells_nothing_new(
    hook: Hook, notifier: Make
) -> None:
    failed = problem(event="deploy.rolled_back", quarantined=("1c0dd7e22656-597acc53a410",))
    for notice in (failed, problem(fingerprint="gate", covers=("deadbeef0000-597acc53a410",))):
        one = notifier(by_hook(hook))
        one.tell(notice)
        one.close()
    assert hook.events == ["deploy.rolled_back"]


def test_each_hears_what_is_loud_enough_for_it(hook: Hook, other: Hook, post: Post, notifier: Make) -> None:
    one = notifier(by_hook(hook, Level.INFO), by_hook(other, Level.WARNING), by_url(post.url, Level.CRITICAL))
    one.tell(good(event="deploy.started"))
    one.tell(problem())
    one.tell(problem("fleet", event="deploy.stuck", level=Level.CRITICAL))
    one.tell(good("fleet", "deploy"))
    one.close()
    assert hook.events == [
        "deploy.started", "deploy.refused", "deploy.stuck", "deploy.refused.over", "deploy.stuck.over",
    ]  # fmt: skip
    assert other.events == hook.events[1:]
    assert len(post.got) == 2  # the problem that it was told of, and its end; of the other it hears neither


def test_who_never_answers_delays_nobody_else_and_the_end_only_so_long(
    hook: Hook, other: Hook, notifier: Make
) -> None:
    hook.status = None
    one = notifier(by_hook(hook, name="hangs"), by_hook(other, name="well"))
    began = time.monotonic()
    one.tell(problem())
    assert time.monotonic() - began < 1
    until(lambda: len(other.got) == 1, 4)
    report = one.close(1.0)
    assert time.monotonic() - began < 4
    assert report.told == ("well",)
    assert report.line == "told: well; NOT told: hangs: it did not answer within 1 s"


def test_what_nobody_took_is_told_by_the_next_run(hook: Hook, notifier: Make) -> None:
    hook.status = 500
    one = notifier(by_hook(hook))
    one.tell(problem())
    assert one.close().line == "nobody was told: webhook: it answered 500"
    assert len(hook.got) == 2  # at once, and a second later
    hook.status = 204
    two = notifier(by_hook(hook))
    two.tell(problem())
    assert two.close().line == "told: webhook"


def test_an_end_that_nobody_took_is_told_by_the_next_good_run(hook: Hook, notifier: Make) -> None:
    for status, notice in ((204, problem()), (500, good("deploy")), (204, good("deploy"))):
        hook.status = status
        one = notifier(by_hook(hook))
        one.tell(notice)
        one.close()
    assert hook.events == ["deploy.refused", *["deploy.refused.over"] * 3]


def test_an_end_that_is_still_on_its_way_when_the_run_ends_is_told_by_the_next_one(
    hook: Hook, notifier: Make
) -> None:
    one, two, three = (notifier(by_hook(hook)) for _ in range(3))
    one.tell(problem())
    one.close()
    hook.status = None
    two.tell(good("deploy"))
    until(lambda: len(hook.got) == 2)
    assert two.close(0.1).missed == "webhook: it did not answer within 0.1 s"
    hook.status = 204
    three.tell(good("deploy"))
    three.close()
    assert hook.events == ["deploy.refused", *["deploy.refused.over"] * 2]


def test_a_service_tries_again_until_somebody_takes_it(
    hook: Hook, notifier: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "AGAIN_S", 0.1)
    hook.status = 503
    failures: list[tuple[str, str]] = []
    one = notifier(by_hook(hook), stays=True, failed=lambda *said: failures.append(said))
    one.tell(problem("watch web1 drift"))
    until(lambda: len(failures) > 1)
    hook.status = 204
    until(lambda: one._lines[0].told)
    one.tell(good("watch web1 drift"))
    one.close()
    assert failures[0] == ("webhook", "it answered 503")
    assert hook.events[-1] == "deploy.refused.over"


def test_without_a_store_everybody_is_told_all_the_same(hook: Hook, notifier: Make, tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    for _ in range(2):
        one = notifier(by_hook(hook))
        one.tell(problem())
        assert one.close().line == "told: webhook"
    assert hook.events == ["deploy.refused"] * 2


def test_the_history_says_who_was_told_and_who_not(hook: Hook, notifier: Make, state: str) -> None:
    hook.status = 404
    with Store.open(state) as store:
        store.start(DeploymentRecord("20240612-1", "deploy", "lab", None, None, None, None, 1.0, "ann@ops1"))
    one = notifier(by_hook(hook, name="archive"))
    one.tell(problem())
    one.close(deployment="20240612-1")
    with Store.open(state) as store:
        (event,) = store.events("20240612-1")
    assert (event.step, event.state.value) == ("notify", "failed")
    assert event.detail["not_told"] == {"archive": "it answered 404"}


def test_secrets_of_the_inventory_leave_with_no_message(hook: Hook, notifier: Make) -> None:
    one = notifier(by_hook(hook), hide=lambda text: text.replace("hunter22", "********"))
    one.tell(problem(happened='unknown "hunter22"', detail={"gates": [{"why": "hunter22"}]}))
    one.close()
    assert b"hunter22" not in hook.got[0].body
    assert "********" in hook.got[0].event["happened"]
