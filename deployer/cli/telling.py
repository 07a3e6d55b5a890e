"""Around a command: what it journals and how it ends is told to whoever the playbook names, and to the log.

Nothing here may delay or fail the command: messages leave in threads of their own, and they are waited for
only when everything was shown, by :func:`settle`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from deployer.cli.streams import err

if TYPE_CHECKING:
    from deployer.cli.common import Common
    from deployer.cli.structured import Log
    from deployer.model import Event, Result
    from deployer.notify.notices import Notice
    from deployer.notify.notifier import Notifier, Settings
    from deployer.notify.outcomes import Command
    from deployer.planning.audience import Audience
    from deployer.planning.context import Context

_PENDING: list[Teller] = []


@contextmanager
def telling(context: Context, kind: str, common: Common, *, whole: bool = True) -> Iterator[Teller]:
    """Tell of a command, also when it ends without a result.

    :param kind: "deploy", "rollback", "recover", "adopt" or "quarantine".
    :param whole: it is for good, so that its end may be the end of a problem.
    """
    teller = Teller()
    with _harmless():
        teller = _teller(context, kind, common, whole=whole)
    try:
        yield teller
    except BaseException as error:
        teller.failed(error)
        raise


@contextmanager
def _harmless() -> Iterator[None]:
    """What goes wrong with telling goes wrong with nothing else."""
    try:
        yield
    except Exception as error:
        err(f"warning: nobody is told: a bug in deployer ({type(error).__name__}: {error})\n")


def _teller(context: Context, kind: str, common: Common, *, whole: bool) -> Teller:
    from deployer.cli.structured import current

    log = current()
    if not context.playbook.notify and log is None:
        return Teller()
    from deployer.notify.notifier import Notifier

    notifier = Notifier(context.playbook.notify, settings_of(context))
    command = command_of(context, kind, common, whole=whole)
    names = [host.name for host in context.hosts]
    teller = Teller(command, notifier, log, hosts=names, hide=context.veil.hide, quiet=common.quiet)
    _PENDING.append(teller)
    return teller


def settings_of(context: Context) -> Settings:
    """What a notifier of this inventory works with."""
    import socket

    from deployer.notify.notifier import Settings
    from deployer.running.leasing import lease_name

    where = f"{socket.gethostname()}:{context.project.absolute()}"
    return Settings(lease_name(context), where, context.state, context.veil.hide)


def waited_for(notifier: Notifier, common: Common) -> None:
    """Have :func:`settle` wait for it, and say who was not told."""
    from deployer.cli.structured import current

    _PENDING.append(Teller(None, notifier, current(), quiet=common.quiet))


def settle() -> None:
    """Wait, not long, until everybody was told; then say in one line who was not."""
    while _PENDING:
        with suppress(KeyboardInterrupt), _harmless():  # the command is over, and its exit code stands
            _PENDING.pop().close()


class Teller:
    """Tells of one command. One without a notifier is silent."""

    def __init__(
        self,
        command: Command | None = None,
        notifier: Notifier | None = None,
        log: Log | None = None,
        *,
        hosts: Iterable[str] = (),
        hide: Callable[[str], str] = str,
        quiet: bool = False,
    ) -> None:
        self._command, self._notifier, self._log, self._quiet = command, notifier, log, quiet
        self._hide = hide
        self._deployment: str | None = None
        self._revision: str | None = None
        self._everybody, self._hosts = list(hosts), list[str]()
        self._lock = threading.Lock()
        self._begun = self._over = False

    def beside(self, audience: Audience) -> Audience:
        """The audience of the command, with this listening as well."""
        if self._command is None:
            return audience
        return cast("Audience", _Both(audience, self))

    def hears(self, event: Event) -> None:
        """Something was journalled. Called from many threads."""
        from deployer.notify.happenings import noteworthy
        from deployer.notify.outcomes import started

        if self._command is None:
            return
        if event.step in ("deployment", "recovery") and event.host is None:
            self._deployment = event.deployment
            self._revision = event.detail.get("revision") or self._revision
        if event.step == "plan" and event.host is None:
            self._hosts = [str(host) for wave in event.detail.get("waves", ()) for host in wave]
        with self._lock:
            begins = event.host is not None and not self._begun
            self._begun = self._begun or begins
        if begins:
            hosts = self._hosts or self._everybody
            self._tell(started(self._command, event.deployment, hosts, self._revision))
        self._tell(noteworthy(self._command, event))

    def ended(self, result: Result) -> None:
        """The command has a result."""
        self._over = True
        if self._command is not None:
            with _harmless():
                from deployer.notify.outcomes import ended

                self._tell(ended(self._command, result))

    def failed(self, error: BaseException) -> None:
        """The command ended otherwise."""
        import typer

        if self._command is None or self._over or isinstance(error, typer.Exit):
            return
        with _harmless():
            from deployer.notify.outcomes import failed

            attended = sys.stdin.isatty() and sys.stderr.isatty()
            self._tell(failed(self._command, error, attended=attended))

    def quarantine_released(self, what: str, told: str, left: tuple[str, ...]) -> None:
        """A release was let out of quarantine."""
        self._over = True
        if self._command is not None:
            with _harmless():
                from deployer.notify.happenings import quarantine_released

                self._tell(quarantine_released(self._command, what, told, left))

    def close(self) -> None:
        """Wait for the messages, at most a few seconds, and say who was not told."""
        if self._notifier is None:
            return
        report = self._notifier.close(deployment=self._deployment)
        if report.line is None or (self._quiet and not report.failed):
            return
        if self._log is not None:
            self._log.reports(report)
        else:
            err(f"{'warning: ' if report.failed else ''}{report.line}\n")

    def _tell(self, notice: Notice | None) -> None:
        if notice is None:
            return
        notice = notice.hidden(self._hide)
        if self._log is not None:
            self._log.notes(notice)
        if self._notifier is not None:
            self._notifier.tell(notice)


class _Both:
    """An audience that somebody else listens beside."""

    def __init__(self, audience: Any, teller: Teller) -> None:
        self._audience, self._teller = audience, teller

    def __getattr__(self, name: str) -> Any:
        return getattr(self._audience, name)

    def hears(self, event: Event) -> None:
        """Both hear it; who tells others must not keep the command from going on."""
        with suppress(Exception):
            self._teller.hears(event)
        self._audience.hears(event)


def command_of(context: Context, kind: str, common: Common, *, whole: bool = True) -> Command:
    """What was asked for, as notices name it."""
    from shlex import quote

    from deployer.journal.ids import who
    from deployer.notify.outcomes import Command

    everybody = len(context.hosts) == len(context.inventory.hosts)
    more = f"--playbook {quote(common.playbook)}" if common.playbook else ""
    return Command(kind, context.name, who(), whole and everybody, more)
