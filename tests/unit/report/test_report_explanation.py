"""What an explanation says: who decided, what was exposed, what follows; and what it does not know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deployer.model import DeploymentRecord, Event, HostOutcome, HostResult, Outcome, Result, State
from deployer.report.explanation import Around
from deployer.report.hunks import blame, change_of
from deployer.report.impact import measured
from deployer.report.timeline import timeline
from tests.unit.report.conftest import ID, NOON
from tests.unit.report_told import BOTH, SHOP, SITE, diff, impact, reading, story

Make = Callable[..., DeploymentRecord]

# --- the cause


def test_the_check_and_the_hunk_that_decided(ended: DeploymentRecord, outage: list[Event]) -> None:
    told = story(ended, diff(BOTH), *outage)
    assert told.trouble
    assert told.cause is not None
    assert (told.cause.fault, told.cause.step, told.cause.hosts) == ("config", "verify", ("web1",))
    assert "http://127.0.0.1/ answered 503, expected 200" in told.cause.sentence
    assert "went away with the release" in told.cause.sure
    (decided,) = told.blamed.hunks
    assert '+\t\treturn 503 "out of order";' in decided.lines
    assert not told.blamed.proved
    assert any("no proof" in each.what for each in told.unknown)
    titles = [task.title for task in told.tasks]
    assert titles[0] == "Mend the configuration in git"
    assert "Have it found before a host serves it" in titles
    assert 'of 4f4f4f4f4f4f "Maintenance page for the shop" by Ann' in told.tasks[0].text


def test_a_place_that_nginx_names_is_proved() -> None:
    events = [diff(BOTH)]
    hunks = change_of(events).hunks
    line = 'nginx: [emerg] invalid number of arguments in "return" in /etc/nginx/sites-enabled/shop:11'
    found = blame(hunks, [line], ["web1"])
    assert found.proved
    assert [hunk.path for hunk in found.hunks] == [SITE]
    elsewhere = blame(hunks, [line.replace(":11", ":99")], ["web1"])
    assert not elsewhere.proved
    assert "changed elsewhere" in elsewhere.why
    assert blame(hunks, ["nothing that points anywhere"], ["web1"]).hunks == ()
    assert blame(hunks[:1], ["nothing that points anywhere"], ["web1"]).why == "it is the whole change"


def test_a_refusal_exposed_nobody(record: Make) -> None:
    said = 'nginx: [emerg] unknown directive "prox_pass" in /etc/nginx/conf.d/a.conf:2'
    hosts = {"web1": HostResult(HostOutcome.REFUSED, None, None, said, 1.0)}
    result = Result(ID, Outcome.REFUSED, 3, None, said, hosts, (), 1.0)
    ended = record(finished=NOON + 1, outcome=Outcome.REFUSED, exit_code=3, result=result)
    failed = Event(
        ID, "web1", "prepare", State.FAILED, NOON, {"error": "nginx refuses it", "details": [said, "failed"]}
    )
    told = story(ended, diff({"conf.d/a.conf": ["@@ -0,0 +1,2 @@", "+#", "+prox_pass;"]}), failed)
    assert told.cause is not None
    assert told.cause.sentence == f"the validator on web1 refused it: {said}"
    assert told.blamed.proved
    assert told.impact == ("No host was switched: users were served what they were served before.",)
    assert "Nothing had to be undone" in told.resolution[0]
    assert not any("--measure" in str(each.command) for each in told.unknown)


def test_what_the_lint_found_is_a_place(record: Make) -> None:
    said = f"the lint found {SITE}:11: A whole site answers with an error [left-over-return]: correct it"
    result = Result(ID, Outcome.REFUSED, 3, None, said, {}, (), 1.0)
    told = story(record(finished=NOON + 1, outcome=Outcome.REFUSED, exit_code=3, result=result), diff(BOTH))
    assert told.cause is not None
    assert (told.cause.fault, told.cause.step) == ("config", "lint")
    assert told.blamed.proved
    assert told.blamed.why == "the lint names this place"
    assert [hunk.path for hunk in told.blamed.hunks] == [SITE]
    assert [task.title for task in told.tasks][1] == "Ask the rules before it is merged"
    assert told.outage == (("Outage", "none: no host was left with a release that failed"),)


@pytest.mark.parametrize(
    ("events", "result", "fault", "task"),
    [
        (
            [
                Event(
                    ID,
                    None,
                    "precheck",
                    State.FAILED,
                    NOON,
                    {"hosts": ["web2"], "error": "shop answered 502"},
                )
            ],
            {"reason": "web2: shop answered 502"},
            "before",
            "Mend what is ill on web2",
        ),
        (
            [Event(ID, None, "plan", State.SUCCEEDED, NOON, {"hosts": {"web2": {"action": "drifted"}}})],
            {"reason": "web2: edited by hand"},
            "drift",
            "Decide about what was edited by hand",
        ),
        (
            [Event(ID, "web2", "verify", State.FAILED, NOON, {"error": "timed out", "cause": "unreachable"})],
            {"reason": "web2: timed out"},
            "lost",
            "Find out why web2 could not be reached",
        ),
        (
            [],
            {"reason": "the journal was lost on the way: disk full"},
            "journal",
            "Look at the journal's database",
        ),
        (
            [],
            {"reason": "its controller was lost; recovered by ann"},
            "controller",
            "Deploy from where it is not cut off",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_the_release_is_not_blamed_on_it(
    record: Make, events: list[Event], result: dict[str, Any], fault: str, task: str
) -> None:
    hosts = {"web2": HostResult(HostOutcome.UNTOUCHED, None, None, None, 0.0)}
    whole = Result(ID, Outcome.INTERRUPTED, 130, None, result["reason"], hosts, (), 1.0)
    ended = record(finished=NOON + 1, outcome=Outcome.INTERRUPTED, exit_code=130, result=whole)
    told = story(ended, diff({SITE: SHOP}), *events)
    assert told.cause is not None
    assert told.cause.fault == fault
    assert told.blamed.hunks == ()
    assert task in [each.title for each in told.tasks]


def test_what_did_not_go_away_is_not_called_the_releases_fault(
    ended: DeploymentRecord, outage: list[Event]
) -> None:
    stuck = [
        replace(e, state=State.UNDO_FAILED, detail={"error": "nginx does not start"})
        if e.step == "activate" and e.state is State.UNDO_SUCCEEDED
        else e
        for e in outage
    ]
    told = story(ended, *stuck)
    assert told.cause is not None
    assert "did not go away" in told.cause.sure
    assert told.tasks[0].title == "Look at web1 now"
    assert any("NOT resolved: web1" in line for line in told.resolution)
    assert ("End", "not known: some host has no proved end") in told.outage
    assert any(each.command == "deployer status prod" for each in told.unknown)


@pytest.mark.parametrize("acquitted", [True, False])
def test_a_host_that_is_back_and_as_ill_is_said_to_be_back(
    ended: DeploymentRecord, outage: list[Event], acquitted: bool
) -> None:
    back = {"error": "not as healthy as before", "back": {"release": "old-1", "memory": "old-1"}}
    events = [
        replace(e, state=State.UNDO_FAILED, detail=back)
        if e.step == "activate" and e.state is State.UNDO_SUCCEEDED
        else e
        for e in outage
    ]
    if acquitted:
        events.append(Event(ID, None, "acquittal", State.SUCCEEDED, NOON + 9, {"release": "new-1"}))
    told = story(ended, *events)
    assert told.cause is not None
    assert told.cause.fault == ("environment" if acquitted else "config")
    assert ("So it was the environment" in told.cause.sure) is acquitted
    assert ("is not known" in told.cause.sure) is not acquitted
    assert ("Mend what web1 depends on" in [task.title for task in told.tasks]) is acquitted
    assert any(
        "NOT resolved: web1 is back on the release it had, proved, but not" in r for r in told.resolution
    )
    assert "not known" not in dict(told.outage)["End"]
    assert "rolled back to old-1, proved, and NOT as healthy" in timeline(ended, events, format="text")


def test_one_that_went_well_is_a_short_report(record: Make, outage_result: Result) -> None:
    result = replace(outage_result, outcome=Outcome.DEPLOYED, exit_code=0, reason=None, hosts={})
    done = record(finished=NOON + 5, outcome=Outcome.DEPLOYED, exit_code=0, result=result)
    told = story(done, diff({SITE: SHOP}))
    assert not told.trouble
    assert (told.cause, told.tasks, told.unknown, told.outage) == (None, (), (), ())
    text = timeline(done, [diff({SITE: SHOP})], format="markdown")
    assert "Draft" not in text
    assert "return 503" in text


def test_one_that_a_rollback_took_back_was_missed_by_every_check(record: Make, outage_result: Result) -> None:
    result = replace(outage_result, outcome=Outcome.DEPLOYED, exit_code=0, reason=None)
    done = record(finished=NOON + 5, outcome=Outcome.DEPLOYED, exit_code=0, result=result)
    back = record(id="20240612-142500-back", kind="rollback", started=NOON + 600, who="bob@ops2", exit_code=0)
    served = [
        Event(ID, None, "precheck", State.SUCCEEDED, NOON, {"checks": ["shop"]}),
        Event(ID, "web1", "activate", State.STARTED, NOON + 1),
        Event(ID, "web1", "promote", State.SUCCEEDED, NOON + 4),
    ]
    undone = [Event(back.id, "web1", "activate", State.UNDO_SUCCEEDED, NOON + 601, {"release": "old"})]
    around = Around(later=(back,), undone_by=frozenset({back.id}), undoing=undone)
    told = story(done, *served, around=around)
    assert told.trouble
    assert told.cause is not None
    assert told.cause.fault == "unseen"
    assert "bob@ops2 took it back at 14:25:00 UTC" in told.cause.sentence
    assert told.tasks[0].title == "Write the check that was missing"
    assert "shop saw nothing" in told.tasks[0].text
    assert told.stays[0].seconds(0) == 600
    assert any(back.id in line for line in told.resolution)


# --- the impact


def test_users_are_counted_while_each_host_served_it(ended: DeploymentRecord, outage: list[Event]) -> None:
    requests = [10] * 18
    failed = [0] * 10 + [5, 10, 10, 4, 0, 0, 0, 0]  # from 14:15:02 on
    told = story(ended, *outage, impact(web1=reading(requests, failed)))
    assert told.traffic is not None
    seen = measured(told.traffic, told.stays)
    assert (seen.failed, seen.worst, seen.before_failed) == (29, 10, 0)
    assert (seen.first, seen.last) == (NOON + 2, NOON + 6)
    assert seen.before == 90
    assert any(
        "29 of 60 requests that web1 logged in that time were answered with 5xx" in x for x in told.impact
    )
    assert ("Failed requests", "14:15:02 UTC to 14:15:06 UTC (4.0 s)") in told.outage
    assert not any("--measure" in str(each.command) for each in told.unknown)


def test_what_no_log_says_is_not_called_zero(ended: DeploymentRecord, outage: list[Event]) -> None:
    assert any(each.command == f"deployer show {ID} --measure prod" for each in story(ended, *outage).unknown)
    nothing = reading([], [], logs=[], skipped=["/var/log/x: not in the format combined or main"])
    told = story(ended, *outage, impact(web1=nothing))
    assert (
        "web1: no access log could be read (/var/log/x: not in the format combined or main)." in told.impact
    )
    assert "Log on web1 in a format that can be counted" in [task.title for task in told.tasks]
    silent = story(ended, *outage, impact(web1=reading([9] * 9 + [0] * 9, [0] * 18)))
    assert any("nobody asked, or nginx answered nobody" in line for line in silent.impact)
    late = story(ended, *outage, impact(web1=reading([9] * 18, [0] * 18, short=["/l"], ahead=61.0)))
    assert any("begins after that time" in line for line in late.impact)
    assert "Set the clock of web1" in [task.title for task in late.tasks]


def test_the_newest_reading_of_a_host_counts(ended: DeploymentRecord, outage: list[Event]) -> None:
    unread = Event(ID, None, "impact", State.SUCCEEDED, NOON + 6, {"hosts": {}, "unread": {"web1": "late"}})
    told = story(ended, *outage, unread)
    assert any("web1: late" in each.what for each in told.unknown)
    again = story(ended, *outage, unread, impact(web1=reading([9] * 18, [0] * 18)))
    assert again.traffic is not None
    assert again.traffic.unread == {}
