"""What is wrong with a schedule, and what of a run is news."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from deployer.errors import HostKeyError, LeaseHeld, UsageError
from deployer.model import EXIT_CODE, HostOutcome, HostResult, Outcome, Result
from deployer.model.scheduled import Scheduled
from deployer.schedule.calendar import parse
from deployer.schedule.due import GRACE_S, Trouble, Verdict, delay_s, expected, verdict
from deployer.schedule.telling import Ending, ending, problem_of

HOUR = 3600.0
MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=UTC).timestamp()
KNOWN = Scheduled("lab 0123", "", "lab", "/srv/p", "Mon..Fri 10:00", "UTC", "ops1", since=MONDAY - HOUR)
RAN = replace(KNOWN, started=MONDAY + 30, finished=MONDAY + 40, outcome="unchanged", exit_code=0)
FROZEN = "frozen by 'end of year': it ends Thu 2027-01-07 00:00 UTC"


def result(outcome: Outcome, reason: str | None = None, *hosts: HostOutcome) -> Result:
    told = {f"web{n}": HostResult(host, "r", None, None, 0.0) for n, host in enumerate(hosts, 1)}
    return Result("20261123-100000-aaaa", outcome, EXIT_CODE[outcome], "a" * 40, reason, told, (), 0.9)


def says(found: Scheduled, now: float) -> tuple[Trouble | None, str]:
    judged = verdict(found, now)
    return (judged.trouble, judged.sentence) if judged is not None else (None, "")


def test_a_schedule_that_was_never_run_is_missed_after_its_time() -> None:
    assert expected(KNOWN) == MONDAY
    assert says(KNOWN, MONDAY + GRACE_S - 1)[0] is None
    trouble, sentence = says(KNOWN, MONDAY + GRACE_S + 1)
    assert trouble is Trouble.MISSED
    assert "it was due 2026-11-23 10:00 UTC, 15 min 1 s ago, and has not run; look why on ops1: " in sentence
    assert sentence.endswith("deployer schedule lab --list")


def test_a_schedule_that_stopped_running_is_missed_at_the_next_time_it_is_due() -> None:
    day = 86_400.0
    assert says(RAN, MONDAY + day)[0] is None
    assert "has not run since 2026-11-23 10:00 UTC" in says(RAN, MONDAY + day + GRACE_S + 1)[1]
    friday = replace(RAN, started=MONDAY + 4 * day, finished=MONDAY + 4 * day + 9)
    assert says(friday, MONDAY + 6.9 * day)[0] is None  # over the weekend it is not due


def test_the_zone_of_the_controller_counts() -> None:
    assert expected(replace(KNOWN, zone="America/New_York")) == MONDAY + 5 * HOUR
    assert expected(replace(KNOWN, zone="nowhere")) == MONDAY
    assert expected(replace(KNOWN, calendar="10:00 Europe/Berlin")) == MONDAY - HOUR + 86_400


def test_what_nobody_here_knows_is_never_missed() -> None:
    assert says(replace(KNOWN, calendar=None), MONDAY * 2)[0] is None
    assert says(replace(KNOWN, calendar="of a newer deployer"), MONDAY * 2)[0] is None


def test_a_failure_is_told_with_the_command_that_explains_it() -> None:
    failed = replace(
        RAN, exit_code=4, outcome="rolled_back", reason="web1: shop: 503", deployment="20261123-x"
    )
    trouble, sentence = says(failed, MONDAY + 60)
    assert trouble is Trouble.FAILED
    assert "ended with 4: web1: shop: 503" in sentence
    assert "deployer show 20261123-x" in sentence


def test_a_failure_that_goes_on_is_one_problem_until_a_run_is_well() -> None:
    def failed(ms: int, **changes: Any) -> Verdict | None:
        reason = f"web1: shop: got 503 in {ms} ms ({ms} failed of {ms})"
        return verdict(replace(RAN, exit_code=5, reason=reason, **changes), MONDAY + HOUR)

    first, again = failed(15), failed(40, started=MONDAY + 900.0)
    next_one = failed(40, started=MONDAY + HOUR, finished=None)
    assert first is not None
    assert next_one is not None
    assert again is not None
    assert first.subject == again.subject == next_one.subject
    assert "the run before the one that is under way on ops1 ended with 5" in next_one.sentence


def test_a_run_that_was_killed_is_told_and_one_under_way_is_not() -> None:
    running = replace(RAN, finished=None)
    assert says(running, MONDAY + HOUR)[0] is None
    trouble, sentence = says(running, MONDAY + 7 * HOUR)
    assert trouble is Trouble.NEVER_ENDED
    assert "deployer recover lab" in sentence


def test_a_standing_refusal_is_told_with_its_beginning() -> None:
    refused = replace(RAN, exit_code=3, reason=FROZEN, problem=FROZEN, problem_since=MONDAY - 86_400)
    trouble, sentence = says(refused, MONDAY + 60)
    assert trouble is Trouble.REFUSED
    assert "since 2026-11-22 10:00 UTC: frozen by" in sentence
    # That it is not even run any more is worse.
    assert says(refused, MONDAY + 2 * 86_400)[0] is Trouble.MISSED


def test_a_timer_is_late_by_a_tenth_of_its_interval_at_most() -> None:
    assert delay_s(parse("Mon..Fri 10:00"), MONDAY) == 120
    assert delay_s(parse("*:0/5"), MONDAY) == 30
    assert delay_s(parse("2031-01-01"), MONDAY) == 120


# --- news


def after(told: Ending) -> Scheduled:
    return replace(RAN, problem=told.problem, problem_since=told.problem_since)


def test_a_refusal_is_news_once_and_its_end_is_told() -> None:
    refused = result(Outcome.REFUSED, FROZEN)
    first = ending(refused, RAN, inventory="lab", now=MONDAY)
    assert first.news
    again = ending(refused, after(first), inventory="lab", now=MONDAY + HOUR)
    assert (again.news, again.problem_since) == (False, MONDAY)
    assert again.line == f"lab: still refused, as told 2026-11-23 10:00 UTC: {FROZEN}"
    over = ending(
        result(Outcome.UNCHANGED, None, HostOutcome.UNCHANGED), after(again), inventory="lab", now=0
    )
    assert over.problem is None
    assert over.line == (
        f"lab: nothing new, 1 host on {'a' * 12} (0.9 s); "
        "what was in the way since 2026-11-23 10:00 UTC is over"
    )
    assert over.over


def test_the_end_of_a_failure_is_told_too() -> None:
    well = result(Outcome.UNCHANGED, None, HostOutcome.UNCHANGED)
    told = ending(well, replace(RAN, exit_code=4), inventory="lab", now=MONDAY + HOUR)
    assert told.line.endswith("; the failure of 2026-11-23 10:00 UTC is over")
    assert (told.over, told.news) == (True, False)
    assert not ending(well, replace(RAN, exit_code=0), inventory="lab", now=MONDAY + HOUR).over


def test_another_reason_is_news_again() -> None:
    first = ending(result(Outcome.REFUSED, FROZEN), None, inventory="lab", now=MONDAY)
    assert ending(result(Outcome.REFUSED, "web1: drift"), after(first), inventory="lab", now=MONDAY).news


def test_the_same_reason_is_known_by_what_lasts_of_it() -> None:
    def problem(text: str) -> str | None:
        return problem_of(result(Outcome.REFUSED, text))

    quarantined = "release {}-aaaabbbbcccc is quarantined since 2026-11-20 10:00 UTC by 20261120-x: 503"
    assert problem(quarantined.format("1" * 12)) == problem(quarantined.format("2" * 12))
    assert problem("web1: heard 3 s ago (pid 17)") == problem("web1: heard 2 min 5 s ago (pid 18)")
    assert problem_of(LeaseHeld("taken by ann")) == problem_of(LeaseHeld("taken by bob"))
    slow = "shop: got 503 in {} ms ({} failed of {})"
    assert problem(slow.format(6, 41, 41)) == problem(slow.format(9, 40, 40))
    assert problem("web1: drift") != problem("web2: drift")


def test_what_changed_a_host_is_always_news() -> None:
    for outcome in (Outcome.ROLLED_BACK, Outcome.STUCK, Outcome.INTERRUPTED):
        ended = result(outcome, "web1: 503", HostOutcome.ROLLED_BACK)
        assert problem_of(ended) is None
        assert ending(ended, RAN, inventory="lab", now=MONDAY).news
    partly = result(Outcome.PARTIAL, "web2 is away", HostOutcome.DEPLOYED, HostOutcome.UNREACHABLE)
    assert problem_of(partly) is None


def test_a_host_that_is_away_is_news_once() -> None:
    away = result(Outcome.PARTIAL, "web2 is away", HostOutcome.UNCHANGED, HostOutcome.UNREACHABLE)
    first = ending(away, RAN, inventory="lab", now=MONDAY)
    assert first.news
    assert not ending(away, after(first), inventory="lab", now=MONDAY).news


def test_what_was_only_prepared_is_not_called_nothing() -> None:
    ended = result(Outcome.UNCHANGED, None, HostOutcome.PREPARED)
    assert (
        ending(ended, RAN, inventory="lab", now=MONDAY).line == f"lab: prepared {'a' * 12} on 1 host (0.9 s)"
    )


def test_wrong_files_are_always_news() -> None:
    assert problem_of(UsageError("playbook.yml:3: no such key")) is None
    assert problem_of(HostKeyError("web1: unknown key", host="web1")) is not None
