"""``deploy --unattended``: one line when nothing is new, and what was told before is not told again."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from deployer.cli.lines import Lines
from deployer.cli.streams import complain, err, tell
from deployer.errors import DeployerError, StoreUnavailable
from deployer.model import Result

if TYPE_CHECKING:
    from concurrent.futures import Future

    from deployer.cli.common import Common
    from deployer.cli.signals import Signals
    from deployer.cli.structured import Fields
    from deployer.journal.store import Store
    from deployer.model import Event
    from deployer.model.scheduled import Scheduled
    from deployer.planning.audience import Audience
    from deployer.planning.context import Context
    from deployer.planning.proposal import Wishes
    from deployer.schedule.telling import Ending

Unattended = Annotated[
    bool,
    typer.Option(
        "--unattended",
        envvar="DEPLOYER_UNATTENDED",
        help="Nobody watches: one line when nothing is new; a refusal that was told before ends with 0.",
    ),
]
OnCalendar = Annotated[
    str | None,
    typer.Option(
        metavar="EXPR",
        envvar="DEPLOYER_ON_CALENDAR",
        help="When it is due: 'Mon..Fri 10:00', '*:0/15', daily … (systemd.time).",
    ),
]

MEANWHILE = "Said meanwhile:"


class Held(Lines):
    """Keeps its lines until a host is touched: of a run that changes nothing, nobody reads them.

    With ``quiet`` they are kept to the end: a mail begins with what happened, not with how.
    """

    _held: list[str] | None = None

    def hold(self) -> None:
        """From now on."""
        self._held = []

    def release(self, heading: str | None = None) -> None:
        """Say what was held back, and go on aloud.

        :param heading: stands above it, if there is anything.
        """
        held, self._held = self._held, None
        for line in (*(("", heading) if held and heading else ()), *(held or ())):
            super()._write(line)

    def hears(self, event: Event) -> None:
        """As others do; the first thing that is done to a host ends the silence."""
        if event.host is not None and self._held is not None and not self._quiet:
            self.release()
        super().hears(event)

    def _write(self, line: str) -> None:
        if self._held is None:
            super()._write(line)
        else:
            self._held.append(line)


def load(inventory: str, common: Common) -> Context:
    """As :func:`deployer.cli.setup.load`; what is wrong with the files is in the journal then.

    Nobody whom the playbook names can be told of a playbook that cannot be read, and to whoever watches, the
    schedule would look as if it had gone well the last time.
    """
    from deployer.cli import setup

    try:
        return setup.load(inventory, common)
    except DeployerError as error:
        _stillborn(inventory, common, error)
        raise


def _stillborn(inventory: str, common: Common, error: DeployerError) -> None:
    from deployer.config.inventory import find_inventory, name_of
    from deployer.journal import schedules
    from deployer.journal.store import Store
    from deployer.schedule.here import scheduled

    with suppress(DeployerError):
        name = name_of(find_inventory(common.project, inventory))
        found = scheduled("", common.limit or "", name, str(common.project.absolute()), None)
        found = replace(found, started=found.since, exit_code=error.exit_code, reason=str(error))
        with Store.open(common.state) as store:
            store.wait(schedules.stillborn(store, found))


def run(
    context: Context, wishes: Wishes, inventory: str, common: Common, on_calendar: str | None
) -> NoReturn:
    """Deploy as a schedule does, and end with the code that a schedule wants to see.

    :raises UsageError: for an expression that is not understood.
    """
    from deployer.cli import setup
    from deployer.cli.signals import Signals
    from deployer.journal import schedules

    ours = _scheduled(context, common, on_calendar)
    ended: Result | DeployerError
    with Signals() as signals, setup.journal_of(context) as journal:
        signals.guard_s = context.playbook.rollout.confirm_within_s
        audience = _audience(signals, common)
        before = schedules.begin(journal, ours)
        try:
            ended = _deployed(context, wishes, journal, audience, signals, common=common)
        except DeployerError as error:
            ended = error
        except Exception:
            _release(audience)
            _record(journal, replace(ours, finished=time.time(), exit_code=1, reason="a bug in deployer"))
            raise
        told = _told(journal, before, ended, inventory)
        if told.news and not common.quiet:
            _release(audience)
        _record(journal, _after(ours, ended, told))
        if isinstance(ended, Result) and ended.id and told.idle:
            _fold(journal, ended.id)
    _end(ended, told, inventory, common, audience)


def _deployed(
    context: Context, wishes: Wishes, journal: Store, audience: Audience, signals: Signals, *, common: Common
) -> Result:
    """As without ``--unattended``: whom the playbook's ``notify`` names is told in here, and once as well."""
    from deployer.cli.telling import telling
    from deployer.deploy import deploy as case

    with telling(context, "deploy", common, whole=not wishes.prepare_only) as teller:
        result = case(context, wishes, journal, teller.beside(audience), signals.stop)
        teller.ended(result)
    return result


def _audience(signals: Signals, common: Common) -> Held | Fields:
    from deployer.cli.structured import Fields, current

    if (log := current()) is not None:
        return Fields(signals, log)  # programs read it all
    audience = Held(signals, quiet=common.quiet, verbose=common.verbose)
    if not common.verbose:
        audience.hold()
    return audience


def _release(audience: Held | Fields, heading: str | None = None) -> None:
    if isinstance(audience, Held):
        audience.release(heading)


def _scheduled(context: Context, common: Common, on_calendar: str | None) -> Scheduled:
    from deployer.running.leasing import lease_name
    from deployer.schedule.here import read, scheduled

    if on_calendar is not None:
        read(on_calendar)
    ours = scheduled(
        lease_name(context), common.limit or "", context.name, str(context.project.absolute()), on_calendar
    )
    return replace(ours, started=ours.since)


def _told(
    journal: Store, before: Future[Scheduled | None], ended: Result | DeployerError, inventory: str
) -> Ending:
    from deployer.schedule.telling import ending

    known = None
    with suppress(StoreUnavailable):  # then nobody knows what was told, and it is told
        known = journal.wait(before)
    return ending(ended, known, inventory=inventory, now=time.time())


def _after(ours: Scheduled, ended: Result | DeployerError, told: Ending) -> Scheduled:
    result = ended if isinstance(ended, Result) else None
    return replace(
        ours,
        finished=time.time(),
        deployment=result.id or None if result else None,
        outcome=str(result.outcome) if result else "refused",
        exit_code=ended.exit_code,
        reason=result.reason if result else str(ended),
        problem=told.problem,
        problem_since=told.problem_since,
    )


def _record(journal: Store, after: Scheduled) -> None:
    from deployer.journal import schedules

    with suppress(StoreUnavailable):  # the deployment itself has said so
        journal.wait(schedules.end(journal, after))


def _fold(journal: Store, deployment: str) -> None:
    from deployer.journal import idle

    with suppress(StoreUnavailable):  # there is but a row more
        journal.wait(idle.fold(journal, deployment))


def _end(
    ended: Result | DeployerError, told: Ending, inventory: str, common: Common, audience: Held | Fields
) -> NoReturn:
    from deployer.report.result import result_json, result_summary

    if isinstance(ended, DeployerError):
        if told.news and (common.json or not common.quiet):
            raise ended
        if told.news:
            complain(str(ended), ended.runbook)
            _release(audience, MEANWHILE)
            raise typer.Exit(ended.exit_code)
        if common.json:
            from deployer.cli.common import tell_early_end

            tell_early_end(str(ended), 0)
        else:
            tell(told.line)
        raise typer.Exit(0)
    code = ended.exit_code if told.news else 0
    if common.json:
        from json import dumps

        tell(dumps(result_json(ended) | {"exit_code": code}, indent=2, ensure_ascii=False))
    elif told.news:
        # Not on standard output: cron mails what is written here, and only that.
        err(result_summary(ended, kind="deploy", inventory=inventory) + "\n")
    elif told.over and common.quiet:
        err(told.line + "\n")  # the same people hear that it is over
    else:
        tell(told.line)
    if told.news:
        _release(audience, MEANWHILE)
    raise typer.Exit(code)
