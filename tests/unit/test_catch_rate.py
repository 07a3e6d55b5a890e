"""The catalogue of changes: what it has to hold, and how its verdicts are reached."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.catch_rate.asking import Answer, Ask, judge
from tests.benchmarks.catch_rate.bases import BASES
from tests.benchmarks.catch_rate.case import Bad, Base, Case, Good, apply, chosen, swap, write_base
from tests.benchmarks.catch_rate.cases import BAD, GOOD
from tests.benchmarks.catch_rate.verdict import Net, Verdict, net_of, report

ALL: tuple[Case, ...] = (*BAD, *GOOD)


@pytest.mark.parametrize(("base", "bad", "families", "good"), [("orchard", 80, 15, 40), ("quay", 35, 12, 25)])
def test_it_is_as_large_as_was_asked_for(base: str, bad: int, families: int, good: int) -> None:
    of = BASES[base]
    assert len(of.bad) >= bad
    assert len({case.family for case in of.bad}) >= families
    assert len(of.good) >= good


def test_no_two_changes_have_one_name() -> None:
    names = [case.name for base in BASES.values() for case in base.cases]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_each_change_says_what_shows_it(base: Base) -> None:
    assert [c.name for c in base.bad if not (c.symptom or c.never or c.after_restart)] == []
    assert [name for case in base.good for name in case.ends if name not in base.asks] == []


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_each_change_fits_its_base(base: Base, tmp_path: Path) -> None:
    origin = tmp_path / "base"
    write_base(origin, base)
    for case in base.cases:
        tree = tmp_path / case.name
        for name in case.edits:
            if os.path.lexists(origin / name):
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(origin / name, tree / name, follow_symlinks=False)
        before = files(tree)
        apply(tree, case.edits, base)
        assert files(tree) != before, case.name


def files(tree: Path) -> dict[str, str]:
    """Content or link target by name."""
    return {
        str(p.relative_to(tree)): str(p.readlink()) if p.is_symlink() else p.read_text()
        for p in tree.rglob("*")
        if p.is_symlink() or p.is_file()
    }


def test_an_edit_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="occurs 2 times"):
        swap(("a", "b")).apply("a a")


def test_cases_are_chosen_by_name_or_family() -> None:
    assert {c.family for c in chosen(ALL, ["TLS"])} == {"TLS"}
    assert [c.name for c in chosen(ALL, ["tls-exp*"])] == ["tls-expired"]
    assert len(chosen(ALL, [])) == len(ALL)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(200, "plums", {"x-a": "1"}), None),
        (Answer(503, "plums", {"x-a": "1"}), "503 instead of 200"),
        (Answer(200, "pears", {"x-a": "1"}), "another page: 'pears'"),
        (Answer(200, "plums", {}), "header X-A is missing"),
        (Answer(trouble="ConnectionRefusedError"), "ConnectionRefusedError"),
    ],
)
def test_a_user_is_content_or_says_why(answer: Answer, why: str | None) -> None:
    assert judge(Ask("a", "http://a/", body="plum", headers={"X-A": "1"}), answer) == why


def test_no_answer_can_be_the_good_one() -> None:
    ask = Ask("a", "http://a/", trouble="RemoteDisconnected")
    assert judge(ask, Answer(trouble="RemoteDisconnected")) is None
    assert judge(ask, Answer(trouble="no answer in time")) == "no answer in time"
    assert judge(ask, Answer(404)) == "answered with 404"


def test_a_redirect_counts_by_where_it_leads() -> None:
    ask = Ask("a", "http://a/", 301, location="https://a/$")
    assert judge(ask, Answer(301, "", {"location": "https://a/"})) is None
    assert judge(ask, Answer(301, "", {"location": "http://a/"})) == "sent to http://a/"


def failed(step: str, **detail: str) -> list[Mapping[str, Any]]:
    return [
        {"host": "web1", "step": "begin", "state": "succeeded"},
        {"host": "web1", "step": step, "state": "failed", "detail": detail},
    ]


@pytest.mark.parametrize(
    ("document", "code", "events", "net"),
    [
        ({"outcome": "deployed"}, 0, [], Net.NONE),
        ({"outcome": "rolled_back"}, 4, failed("verify"), Net.CANARY),
        ({"outcome": "refused"}, 3, failed("rehearse"), Net.REHEARSAL),
        (
            {"outcome": "refused", "reason": "web1: in other words"},
            3,
            failed("rehearse", net="comparison"),
            Net.COMPARISON,
        ),
        ({"outcome": "refused", "reason": "lint: 1 error"}, 3, [], Net.LINT),
        ({"outcome": "refused", "reason": "nginx -t says no"}, 3, failed("prepare"), Net.VALIDATION),
    ],
)
def test_the_net_is_known_by_the_step_that_failed(
    document: dict[str, Any], code: int, events: list[Mapping[str, Any]], net: Net
) -> None:
    assert net_of(document, code, events, "") is net


def test_the_report_counts_and_names_what_slipped() -> None:
    def verdict(case: Case, net: Net) -> Verdict:
        kind = "bad" if isinstance(case, Bad) else "good"
        return Verdict(case.name, case.family, kind, net, 0, "", "why", 1.0, asked=10, failed=2)

    text = report([verdict(BAD[0], Net.LINT), verdict(BAD[1], Net.NONE), verdict(GOOD[0], Net.VALIDATION)])
    assert "| refused before live | 1 (50.0 %) |" in text
    assert f"`{BAD[1].name}` (missed; 2 of 10 requests failed)" in text
    assert f"`{GOOD[0].name}` (validation" in text
    assert isinstance(GOOD[0], Good)
