"""Between a watch and those who are told: the playbook's ``notify``, read again with the other files."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from deployer.cli import structured
from deployer.cli.streams import err
from deployer.cli.telling import command_of, settings_of, waited_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployer.cli.common import Common
    from deployer.notify.notices import Notice
    from deployer.notify.notifier import Notifier
    from deployer.planning.context import Context
    from deployer.watch.now import Now
    from deployer.watch.telling import Crier

LAST_S = 3.0  #: how long a watch that is told to end waits for its last messages


class Alerts:
    """Tells people what a watch finds, for as long as it goes on."""

    def __init__(self, context: Context, common: Common, now: Callable[[], Now]) -> None:
        self._common = common
        self._lock = threading.Lock()
        self._context = context
        self._notifier = self._made(context)
        self._reasons: dict[str, str] = {}
        self._crier = crier_of(context, common, now, self._tell)
        self._crier.start()

    def hears(self) -> None:
        """Something changed."""
        self._crier.hears()

    def take_over(self, context: Context) -> None:
        """The files were read again: others may have to be told."""
        with self._lock:
            before, self._context = self._context.playbook.notify, context
            if context.playbook.notify == before:
                return
            old, self._notifier = self._notifier, self._made(context)
        threading.Thread(target=old.close, args=(LAST_S,), daemon=True).start()

    def stop(self) -> None:
        """Tell what is on its way, and nothing more."""
        self._crier.stop()
        self._notifier.close(LAST_S)

    def _tell(self, notice: Notice) -> None:
        if (log := structured.current()) is not None:
            log.notes(notice)
        with self._lock:
            self._notifier.tell(notice)

    def _made(self, context: Context) -> Notifier:
        from deployer.notify.notifier import Notifier

        settings = replace(settings_of(context), stays=True, failed=self._not_told)
        return Notifier(context.playbook.notify, settings)

    def _not_told(self, name: str, why: str) -> None:
        """Say it, once for a reason: it is tried again every minute."""
        if self._reasons.get(name) == why:
            return
        self._reasons[name] = why
        said = f"{name} is not told: {why}; it is tried again"
        if (log := structured.current()) is not None:
            log.says("warning", said, event="notify")
        else:
            err(f"warning: {said}\n")


def tell_once(context: Context, common: Common, now: Callable[[], Now]) -> None:
    """After one look: tell what stands, and what an earlier look told and is over."""
    from deployer.notify.notifier import Notifier

    if context.playbook.notify:
        notifier = Notifier(context.playbook.notify, settings_of(context))
        waited_for(notifier, common)
        crier_of(context, common, now, notifier.tell).cry()


def crier_of(
    context: Context, common: Common, now: Callable[[], Now], tell: Callable[[Notice], None]
) -> Crier:
    """Who turns conditions into notices; a watch of a part of the fleet has troubles of its own."""
    from deployer.watch.telling import Crier

    return Crier(command_of(context, "watch", common), now, tell, common.limit or "")
