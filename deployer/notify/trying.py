"""A message to everybody, as a test: who took it, and why not who did not. Nothing is remembered of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deployer.config.notify import Recipient, called
from deployer.notify.notices import Notice
from deployer.notify.notifier import PATIENCE_S, Settings
from deployer.notify.scrubbing import Scrubber
from deployer.notify.senders import NotTold, sender_of


@dataclass
class Trial:
    """One recipient, and whether it took the message.

    :ivar reason: why not; ``None``: it did.
    """

    name: str
    level: str
    reason: str | None = None
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """One of ``notify test --json``."""
        return {
            "name": self.name,
            "level": self.level,
            "told": self.reason is None,
            "reason": self.reason,
            "seconds": round(self.seconds, 3),
        }


def try_out(
    recipients: Sequence[Recipient],
    notice: Notice,
    settings: Settings,
    *,
    only: str | None = None,
    within_s: float = PATIENCE_S,
) -> list[Trial]:
    """Send a notice to everybody, whatever their level, at the same time and once.

    :param only: the name of the one who is meant.
    """
    scrubber, found = Scrubber(), []
    for recipient, name in zip(recipients, called(recipients), strict=True):
        if only is None or name == only:
            trial = Trial(name, recipient.level.value, f"it did not answer within {within_s:g} s", within_s)
            args = (recipient, trial, notice, settings.where, scrubber)
            thread = threading.Thread(target=_one, args=args, name=f"notify {name}", daemon=True)
            found.append((trial, thread))
    until = time.monotonic() + within_s
    for _, thread in found:
        thread.start()
    for _, thread in found:
        thread.join(max(0.0, until - time.monotonic()))
    return [trial for trial, _ in found]


def _one(recipient: Recipient, trial: Trial, notice: Notice, where: str, scrubber: Scrubber) -> None:
    began = time.monotonic()
    try:
        sender_of(recipient, where=where, scrubber=scrubber).send(notice)
        reason = None
    except NotTold as error:
        reason = scrubber.scrub(str(error))
    except Exception as error:  # of a service's library: a test says so and goes on with the others
        reason = f"a bug: {type(error).__name__}"
    trial.seconds, trial.reason = time.monotonic() - began, reason
