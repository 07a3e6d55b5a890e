"""Counters only grow; offsets are those of the latest look."""

from __future__ import annotations

from deployer.host.inspection import inspection
from deployer.host.reply import VerbAnswer
from deployer.model.inspected import Counts, Inspection, Questions
from deployer.watch.tally import MAX_LOGS, Tally


def test_counts_add_up_over_looks() -> None:
    tally = Tally()
    assert tally.since_s(100.0) is None
    tally = tally.after(Inspection(offsets={7: 10}), 100.0)
    assert (dict(tally.answers), tally.offsets, tally.since_s(130.0)) == ({}, {7: 10}, 30.0)
    tally = tally.after(
        Inspection(offsets={7: 20, 8: 5}, counts=Counts({"2": 3}, {"error": 1}, 1, 100)), 130.0
    )
    tally = tally.after(Inspection(offsets={9: 0}, counts=Counts({"2": 1, "5": 2})), 160.0)
    assert tally.answers == {"2": 4, "5": 2}
    assert tally.levels == {"error": 1}
    assert (tally.other, tally.skipped, tally.offsets) == (1, 100, {9: 0})


def test_while_nobody_holds_the_logs_they_stay_where_they_were_read_to() -> None:
    tally = Tally(offsets={7: 10}, read_at=100.0)
    assert tally.after(None, 130.0) is tally
    assert tally.after(Inspection(offsets=None), 130.0) is tally
    assert tally.since_s(160.0) == 60.0


def test_a_clock_that_is_set_back_counts_for_nothing() -> None:
    assert Tally(read_at=100.0).since_s(50.0) == 0.0


def test_only_so_many_logs_are_remembered() -> None:
    many = Inspection(offsets=dict.fromkeys(range(1000), 1))
    assert len(Tally().after(many, 1.0).offsets) == MAX_LOGS


def said(**fields: tuple[str, ...]) -> Inspection:
    asked = Questions()
    return inspection(VerbAnswer("inspect", fields, 0), "/etc/nginx", asked)


def test_an_answer_is_read_and_nonsense_in_it_left_out() -> None:
    found = said(
        valid=("no",),
        invalid=("nginx: [emerg] x",),
        valid_cs=("12",),
        log=("7:10", "x:1", "9", "8:0"),
        count=("      3 status 5", "  2 level emerg", "1 other", "x status 2", "4 strange thing"),
        log_skipped=("99",),
        wrote=("1718200000 root /etc/nginx/a b.conf", "x root /etc/nginx/b", "1 root"),
        certificate=("k1 /a.pem", "k1 /b.pem", "k2 /c.pem"),
        pem=("k1 AAEC", "k2 ", "k3 ***"),
    )
    assert (found.valid, found.valid_s) == (False, 0.12)
    assert found.offsets == {7: 10, 8: 0}
    assert (found.counts.answers, found.counts.levels) == ({"5": 3}, {"emerg": 2})
    assert (found.counts.other, found.counts.skipped, found.counts.failed) == (1, 99, 3)
    assert [(w.path, w.owner, w.time) for w in found.wrote] == [("a b.conf", "root", 1718200000.0)]
    assert found.certificates == {"k1": ("/a.pem", "/b.pem"), "k2": ("/c.pem",)}
    assert found.pems == {"k1": b"\0\1\2"}


def test_what_was_not_said_is_not_known() -> None:
    found = said()
    assert (found.valid, found.offsets, found.counts.total) == (None, None, 0)
    assert said(valid=("unknown",)).valid is None
