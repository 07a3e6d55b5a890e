"""The last lines: is the fleet safe, what happened, why, what next."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.model import HostOutcome, HostResult, Outcome, Result
from deployer.report.result import result_json, result_summary

NEW, OLD = "4f4f4f4f4f4f-0123456789ab", "baseline-ba9876543210"
GOLDEN = Path(__file__).parent / "golden" / "endings.txt"
ID = "20240612-141500-x7f3"


def _result(outcome: Outcome, code: int, hosts: str, reason: str | None = None) -> Result:
    """``hosts``: "deployed:4 unreachable:1"."""
    ends = [
        HostOutcome(kind) for word in hosts.split() for kind, n in [word.split(":")] for _ in range(int(n))
    ]
    made = {
        f"web{n}": HostResult(end, OLD if end is HostOutcome.ROLLED_BACK else NEW, OLD, None, 1.0)
        for n, end in enumerate(ends, 1)
    }
    return Result(ID, outcome, code, "main", reason, made, (), 9.3)


CASES = [block.split("\n", 1) for block in GOLDEN.read_text().split("## ")[1:]]


@pytest.mark.parametrize(("ending", "said"), CASES, ids=[ending for ending, _ in CASES])
def test_what_a_tired_person_reads(ending: str, said: str) -> None:
    kind, outcome, code, hosts = ending.split(" ", 3)
    why = re.search(r"^Why:  (.*)$", said, re.MULTILINE)
    result = _result(Outcome(outcome), int(code), hosts, why[1] if why else None)
    assert result_summary(result, kind=kind, inventory="prod") == said.strip()


@pytest.mark.parametrize("kind", ["deploy", "rollback", "adopt"])
@pytest.mark.parametrize("outcome", Outcome)
def test_every_ending_has_a_sentence(kind: str, outcome: Outcome) -> None:
    for end, hosts in itertools.product(HostOutcome, range(3)):
        _check_ending(kind, outcome, end, hosts)


def _check_ending(kind: str, outcome: Outcome, end: HostOutcome, hosts: int) -> None:
    text = result_summary(_result(outcome, 1, f"{end}:{hosts}"), kind=kind)
    assert not re.search(r"[{}]|None|  +\S+\n$", text)
    first = text.split("\n", 1)[0]
    unproved = end is HostOutcome.STUCK or (kind == "rollback" and end is HostOutcome.UNREACHABLE)
    if hosts and unproved and outcome is not Outcome.REFUSED:
        assert "NOT proved" in first
    assert "\nNext: " in text


def test_a_rollback_after_which_a_check_does_not_pass_calls_nobody_safe() -> None:
    hosts = {name: HostResult(HostOutcome.ROLLED_BACK, "a-b", "c-d", None, 1.0) for name in ("web1", "web2")}
    result = Result(ID, Outcome.ROLLED_BACK, 0, None, None, hosts, (), 1.0, quarantined=("c-d",))
    assert "the fleet is safe" in result_summary(result, kind="rollback", inventory="lab")
    told = result_summary(replace(result, ill={"web2": "app: 502"}), kind="rollback", inventory="lab")
    assert "safe" not in told
    assert "BUT A CHECK DOES NOT PASS on web2. All 2 hosts serve a-b again, proved." in told, told
    assert "deployer rollback lab --list" in told


def test_a_host_that_is_back_and_ill_is_not_called_unproved() -> None:
    """Its release is not to be looked at, but what it depends on."""
    stuck = HostResult(HostOutcome.STUCK, "new-1", "old-1", "ill; then: ill", 0.1)
    hosts = {"web1": stuck, "web2": stuck}
    both = Result(
        ID, Outcome.STUCK, 5, "main", "web1: ill", hosts, (), 1.0, ill={"web1": "app", "web2": "app"}
    )
    first, *_, last, _page = result_summary(both, inventory="prod").splitlines()
    assert first.startswith(
        "OPERATOR NEEDED: web1, web2 are back on the releases they had, proved, but NOT as healthy there as "
    )
    assert last.startswith("Next: mend what web1, web2 depend on (deployer status prod), then deploy again")
    one = replace(both, ill={"web1": "app"})
    first, *_, last, _page = result_summary(one, inventory="prod").splitlines()
    assert (
        "web1 is back on the release it had, proved, but NOT as healthy there as before. web2 is NOT" in first
    )
    assert last.startswith("Next: look at web1, web2 now")
    assert Result.from_json(one.as_json()) == one


def test_the_reason_names_its_host() -> None:
    host = HostResult(HostOutcome.REFUSED, None, None, "no space left", 0.1)
    other = HostResult(HostOutcome.UNTOUCHED, None, None, None, 0.1)
    hosts = {"web1": other, "web2": host, "web3": host}
    for reason in (None, "no space left"):
        result = Result(ID, Outcome.REFUSED, 3, "main", reason, hosts, (), 1.0)
        line = result_summary(result).splitlines()[1]
        assert line.startswith("Why:  web2")
        assert line.endswith(": no space left")


def test_json_has_exactly_the_promised_keys() -> None:
    document = result_json(_result(Outcome.DEPLOYED, 0, "deployed:1"))
    promised = ["id", "outcome", "exit_code", "revision", "reason", "hosts", "waves", "seconds"]
    assert list(document) == promised
    assert list(document["hosts"]["web1"]) == ["outcome", "release", "previous", "reason", "seconds"]
    assert Result.from_json(document) == _result(Outcome.DEPLOYED, 0, "deployed:1")


@pytest.mark.parametrize(
    "document", [{}, {"hosts": 1, "waves": []}, {"outcome": "new", "hosts": {}, "waves": []}]
)
def test_what_is_no_result_is_said(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a"):
        Result.from_json(document)


RECOVERED = {
    Outcome.DEPLOYED: (HostOutcome.DEPLOYED, "Recovered and promoted: the fleet is safe. web1 serves"),
    Outcome.ROLLED_BACK: (
        HostOutcome.ROLLED_BACK,
        "Recovered and rolled back: the fleet is safe. web1 is back",
    ),
    Outcome.UNCHANGED: (HostOutcome.UNTOUCHED, "Recovered: nothing had been changed, and the hosts are free"),
    Outcome.STUCK: (HostOutcome.UNREACHABLE, "OPERATOR NEEDED: web1 could not be reached and is NOT proved"),
    Outcome.PARTIAL: (
        HostOutcome.DEPLOYED,
        "Recovered: every host is proved, but they do not all serve the same",
    ),
}


@pytest.mark.parametrize("outcome", RECOVERED)
def test_a_recovery_says_first_whether_the_fleet_is_safe(outcome: Outcome) -> None:
    host, begins = RECOVERED[outcome]
    hosts = {"web1": HostResult(host, "b", "a", None, 1.0)}
    ended = Result("d7", outcome, 0, None, "every wave was confirmed", hosts, (), 1.0)
    assert result_summary(ended, kind="recover", inventory="lab").startswith(begins)


def test_nothing_to_recover_is_one_sentence() -> None:
    hosts = {"web1": HostResult(HostOutcome.UNTOUCHED, None, None, "nothing to recover", 0.0)}
    ended = Result("", Outcome.UNCHANGED, 0, None, "nothing to recover", hosts, (), 0.1)
    assert result_summary(ended, kind="recover").splitlines() == [
        "Nothing to recover: no host and no journal knows of a deployment that did not end. (0.1 s)",
        "Next: nothing to do",
    ]
    assert ended.as_json()["id"] is None


def test_a_refusal_after_edits_were_kept_does_not_say_that_nothing_was_done() -> None:
    kept = {"web1": "drift-111111111111", "web2": "drift-222222222222", "web3": "drift-111111111111"}
    refused = replace(_result(Outcome.REFUSED, 3, "refused:1"), kept=kept)
    text = result_summary(refused)
    assert "nothing was changed" not in text
    assert "no file that stood there was changed" in text
    assert "Kept: what was edited by hand is a release of its own on " in text
    assert "web1, web3 (drift-111111111111), web2 (drift-222222222222)" in text
    assert result_json(refused)["kept"] == kept
    assert Result.from_json(refused.as_json()) == refused


def test_what_is_kept_in_quarantine_is_said_and_in_the_document() -> None:
    failed = replace(_result(Outcome.ROLLED_BACK, 4, "rolled_back:1"), quarantined=(NEW,))
    assert f"Kept: {NEW} is quarantined: nobody deploys it until it is released" in result_summary(failed)
    assert result_json(failed)["quarantined"] == [NEW]
    back = result_summary(replace(failed, exit_code=0), kind="rollback", inventory="prod")
    assert back.endswith("Next: mend the configuration in git, then: deployer deploy prod")


def test_closed_gates_are_in_the_document_and_come_back_from_it() -> None:
    gate = {"gate": "freeze", "why": "frozen", "opens": "later", "release": None, "broken": False}
    shut = replace(_result(Outcome.REFUSED, 3, "untouched:1"), gates=(gate,), quarantined=(NEW,))
    assert Result.from_json(shut.as_json()) == shut
    plain = _result(Outcome.DEPLOYED, 0, "deployed:1")
    assert Result.from_json(plain.as_json()) == plain


@pytest.mark.parametrize("kind", ["deploy", "rollback", "recover"])
def test_whoever_said_no_is_not_sent_to_mend_anything(kind: str) -> None:
    said = result_summary(
        _result(Outcome.REFUSED, 3, "untouched:2", "not confirmed"), kind=kind, inventory="prod"
    )
    assert said.splitlines()[1:] == [
        "Why:  not confirmed",
        f"Next: nothing, if that is what you want; else once more: deployer {kind} prod",
    ]
