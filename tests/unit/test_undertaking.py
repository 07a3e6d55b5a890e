"""How a command ends is what came of the hosts, whatever has become of the journal by then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployer.cli import setup
from deployer.cli.common import Common
from deployer.cli.lines import Lines
from deployer.cli.signals import Signals
from deployer.journal import Store
from deployer.model import Event, HostOutcome, HostResult, Outcome, Result, State
from deployer.planning.context import Context
from deployer.running.undertaking import Undertaking
from tests.postgres import Server
from tests.unit.project import Project

pytestmark = pytest.mark.slow  # each waits until it is sure that the server is gone


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return setup.load("lab", Common(project=Project(tmp_path / "project").path))


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    name = postgres.database()
    yield postgres.url(name)
    postgres.drop(name)


def result_of(own: Undertaking) -> Result:
    host = HostResult(HostOutcome.DEPLOYED, "4f4f4f4f4f4f-0123456789ab", None, None, 1.0)
    return Result(own.id, Outcome.DEPLOYED, 0, "main", None, {"web1": host}, (), 1.0)


def test_a_server_that_is_gone_at_the_very_end_changes_no_outcome(
    context: Context, url: str, postgres: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store.open(url) as store:
        own = Undertaking("deploy", context, store, Lines(Signals()))
        with own.recorded():
            pass
        postgres.kill()
        try:
            own.finish(result_of(own))
        finally:
            postgres.start()
        assert (
            f"the history will show {own.id} as unfinished: the journal postgresql://"
            in capsys.readouterr().err
        )
        assert store.deployment(own.id).outcome is None


class Gone(Store):
    """A journal whose last word is lost on the way, and only that."""

    def finish(self, deployment: str, result: Result, *, finished: float | None = None) -> None:
        self.breaks()
        super().finish(deployment, result, finished=finished)

    breaks: Callable[[], None] = staticmethod(lambda: None)


def test_between_the_last_event_and_the_end(
    context: Context, url: str, postgres: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = Store.open(url)
    store = Gone(opened.shown, opened._database, opened._writer)
    store.breaks = postgres.kill
    own = Undertaking("deploy", context, store, Lines(Signals()))
    with own.recorded():
        pass
    try:
        own.finish(result_of(own))
    finally:
        postgres.start()
    assert "as unfinished" in capsys.readouterr().err
    assert store.events(own.id)[-1].step == "deployment"
    store.close()


def test_what_was_missed_is_made_up_for(
    context: Context, url: str, postgres: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[Event] = []

    class Hears(Lines):
        def hears(self, event: Event) -> None:
            heard.append(event)

    with Store.open(url) as store:
        own = Undertaking("deploy", context, store, Hears(Signals()))
        with own.recorded():
            own.recorder.note("begin", State.STARTED, host="web1")
            postgres.kill()
            threads = [
                threading.Thread(
                    target=own.recorder.note, args=("begin", State.STARTED), kwargs={"host": host}
                )
                for host in ("web2", "web3")
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert own.recorder.lost is not None
            own.recorder.note("begin", State.UNDO_STARTED, host="web1")
            postgres.start()
        own.finish(result_of(own))
        assert store.deployment(own.id).result == result_of(own)
        kept = store.events(own.id)
        assert sorted(map(repr, kept)) == sorted(map(repr, heard))
        for host in ("web1", "web2", "web3", None):
            assert [e for e in kept if e.host == host] == [e for e in heard if e.host == host]
    assert capsys.readouterr().err == ""
