"""A host is held to what its rehearsal promised, and once it is back to what it was before."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.asking.answers import Dialect
from deployer.comparison.promise import Expected, Promise
from deployer.comparison.reality import Kept
from deployer.config.compare import Compare
from deployer.config.playbook import Health
from deployer.errors import HostError, Stopped
from deployer.rollout.blame import ANSWERS, Unwell
from deployer.rollout.health import Physician
from deployer.rollout.inquiring import Inquiries
from deployer.rollout.survey import Contact
from deployer.rollout.witness import Witness, beside
from tests.unit.seen import release, tree
from tests.unit.servers import Loopback, Server, read_request, response

pytestmark = pytest.mark.slow

GOOD = AnswerClass("200", 200)
LIMIT_S = 20.0


class Site:
    """One route, answered with what it is told."""

    def __init__(self, serve: Callable[..., Server], before: AnswerClass = GOOD) -> None:
        self.status = 200
        self._server = serve(self._answer)
        self.question = Question("127.0.0.1", self._server.port, "shop.example.com", "/api/")
        expected = Expected(self.question, GOOD, before)
        self.promise = Promise((expected,), {self.question.place: Dialect(tls=False, proxy=False)})

    def _answer(self, connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(response(self.status))


def physician(site: Site, bake_s: float = 0.0, deadline_s: float = 10.0) -> tuple[Physician, list[Kept]]:
    """Of a host whose playbook has no checks; what its witness told."""
    told: list[Kept] = []
    host = SimpleNamespace(name="web1", address="127.0.0.1")
    contact = Contact(cast("Any", host), cast("Any", Loopback()), cast("Any", None))
    health = Health(deadline_s=deadline_s, bake_s=bake_s, consecutive=2)
    playbook = cast("Any", SimpleNamespace(checks=(), health=health))
    witness = Witness(contact, health, lambda: site.promise, told.append)
    new = release(tree(nginx_conf="new"))
    return Physician(contact, playbook, threading.Event(), new, witness=witness), told


@pytest.fixture
def site(serve: Callable[..., Server]) -> Site:
    return Site(serve)


def test_a_promise_that_is_kept_is_told(site: Site) -> None:
    doctor, told = physician(site)
    doctor.after()
    assert (told[0].asked, told[0].worse) == (1, ())
    assert doctor.kept["asked"] == 1
    doctor.as_before()


def test_a_promise_that_is_broken_ends_the_bake_and_went_away_with_the_rollback(site: Site) -> None:
    doctor, _ = physician(site, bake_s=600)
    site.status = 502
    started = time.monotonic()
    with pytest.raises(
        Unwell, match=r"once live it answers worse than expected: shop.example.com/api/ at "
    ) as e:
        doctor.after()
    assert time.monotonic() - started < LIMIT_S
    assert e.value.failing == (ANSWERS,)
    assert [row["now"] for row in e.value.kept["worse"]] == ["502"]
    assert e.value.details[0].split() == ["route", "expected", "now", "verdict"]
    site.status = 200
    doctor.as_before()


def test_what_the_old_release_answers_as_badly_was_not_the_new_ones_fault(site: Site) -> None:
    doctor, _ = physician(site)
    site.status = 502
    with pytest.raises(Unwell):
        doctor.after()
    with pytest.raises(Unwell, match="not as healthy as before, though the old release is back") as e:
        doctor.as_before()
    assert e.value.failing == (ANSWERS,)
    assert e.value.details[0].endswith(": 200 before, 502 now")


def test_what_cannot_be_asked_any_more_is_no_evidence(site: Site) -> None:
    doctor, _ = physician(site, deadline_s=1.0)
    connection = cast("Loopback", doctor.contact.connection)
    connection.dead = True
    with pytest.raises(Unwell, match="could not be asked again") as e:
        doctor.after()
    assert e.value.failing == ()
    assert connection.opened > 1  # it was tried


def test_the_first_of_two_that_fails_ends_the_other_and_a_stop_ends_both() -> None:
    ended = threading.Event()

    def waits(stop: threading.Event) -> None:
        assert stop.wait(LIMIT_S)
        ended.set()

    def fails(_: threading.Event) -> None:
        raise HostError("ill", host="web1")

    with pytest.raises(HostError, match="ill"):
        beside(waits, fails, threading.Event())
    assert ended.is_set()
    stop = threading.Event()
    stop.set()
    beside(waits, waits, stop)


def test_a_stop_is_no_failure_of_the_release(site: Site) -> None:
    doctor, _ = physician(site, bake_s=600)
    site.status = 502
    doctor.stop.set()
    with pytest.raises(Stopped):
        doctor.after()


def test_a_name_that_no_server_lists_is_excused_as_everybody_is() -> None:
    inquiries = Inquiries(Compare(), threading.Event())
    inquiries._known |= {(8081, ""), (80, "shop.example.com")}
    inquiries._excused[8081, "", "/"] = "nobody asks there any more"
    inquiries._excused[80, "", "/"] = "a default of its own"
    shop = Question("127.0.0.1", 8081, "shop.example.com")
    assert inquiries.why(shop) == "nobody asks there any more"
    assert inquiries.why(Question("127.0.0.1", 80, "shop.example.com")) is None
