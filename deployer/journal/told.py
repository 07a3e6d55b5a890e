"""Who was told of which problem: nobody is told twice, by whichever process, and everybody of its end.

A message is claimed before it is sent and recorded when it was taken. What was claimed and never recorded
(the process died, the recipient did not answer) may be claimed again a minute later.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployer.journal.statements import text_of

if TYPE_CHECKING:
    from deployer.journal.database import Row, Session

CLAIM_S = 60.0  #: how long somebody who claimed a message is believed to be sending it

LOOK = """
SELECT told.*, {now} AS now FROM told WHERE scope = :scope AND topic = :topic AND recipient = :recipient
"""
FIRST = """
INSERT INTO told (scope, topic, recipient, fingerprint, about, since, claim, claimed)
VALUES (:scope, :topic, :recipient, :fingerprint, :about, :since, :claim, {now})
ON CONFLICT (scope, topic, recipient) DO NOTHING
"""
AGAIN = """
UPDATE told SET fingerprint = :fingerprint, about = :about, claim = :claim, claimed = {now}, told = NULL
WHERE scope = :scope AND topic = :topic AND recipient = :recipient AND claim = :before
"""
DONE = """
UPDATE told SET told = {now}
WHERE scope = :scope AND topic = :topic AND recipient = :recipient AND claim = :claim
"""
GIVE_BACK = """
UPDATE told SET fingerprint = :fingerprint, about = :about, told = :told
WHERE scope = :scope AND topic = :topic AND recipient = :recipient AND claim = :claim
"""
FORGET = """
DELETE FROM told WHERE scope = :scope AND topic = :topic AND recipient = :recipient AND claim = :claim
"""
OPEN = """
SELECT * FROM told WHERE scope = :scope AND recipient = :recipient AND told IS NOT NULL ORDER BY since
"""


@dataclass(frozen=True, slots=True)
class Key:
    """One problem, as one recipient was told of it."""

    scope: str
    topic: str
    recipient: str

    @property
    def row(self) -> dict[str, Any]:
        """Parameters that name it."""
        return {"scope": text_of(self.scope), "topic": text_of(self.topic), "recipient": self.recipient}


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that is ours to send.

    :ivar before: what was told of another problem under the same topic.
    """

    token: str
    before: Row | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """A problem that a recipient was told of and that is not over.

    :ivar about: what it was, for the message that it is over.
    :ivar since: when it began, seconds since the epoch.
    """

    topic: str
    about: Mapping[str, Any]
    since: float
    claim: str
    fingerprint: str


def claim(
    session: Session,
    key: Key,
    fingerprint: str,
    about: Mapping[str, Any],
    since: float,
    *,
    same: Callable[[Mapping[str, Any]], bool],
) -> Claim | None:
    """Make a message ours to send.

    :param same: whether what was told (its ``about``) covers this as well, though its fingerprint is another.
    :returns: ``None``: it was told, or somebody is at it.
    """
    mine = secrets.token_hex(16)
    values = {
        **key.row,
        "fingerprint": fingerprint,
        "about": json.dumps(dict(about)),
        "since": since,
        "claim": mine,
    }
    found = session.rows(LOOK.format(now=session.now), key.row)
    if not found:
        return Claim(mine) if session.change(FIRST.format(now=session.now), values) else None
    row = found[0]
    alike = row["fingerprint"] == fingerprint or same(json.loads(row["about"]))
    at_it = row["told"] is None and row["now"] - row["claimed"] < CLAIM_S
    if alike and (row["told"] is not None or at_it):
        return None
    if not session.change(AGAIN.format(now=session.now), {**values, "before": row["claim"]}):
        return None
    return Claim(mine, row if row["told"] is not None else None)


def done(session: Session, key: Key, claimed: str) -> None:
    """The message was taken."""
    session.change(DONE.format(now=session.now), {**key.row, "claim": claimed})


def give_back(session: Session, key: Key, claimed: Claim) -> None:
    """The message was not taken: whoever comes next tells it."""
    values = {**key.row, "claim": claimed.token}
    if claimed.before is None:
        session.change(FORGET, values)
    else:  # what was told before stays told, so that its end is
        kept = {name: claimed.before[name] for name in ("fingerprint", "about", "told")}
        session.change(GIVE_BACK, {**values, **kept})


def still_open(session: Session, scope: str, recipient: str) -> tuple[Open, ...]:
    """What a recipient was told of and not yet that it is over, oldest first."""
    rows = session.rows(OPEN, {"scope": text_of(scope), "recipient": recipient})
    return tuple(map(_open, rows))


def forget(session: Session, key: Key, claimed: str) -> bool:
    """Make the end of a problem ours to tell; ``False``: somebody else does."""
    return bool(session.change(FORGET, {**key.row, "claim": claimed}))


def remember(session: Session, key: Key, problem: Open) -> None:
    """Put a problem back whose end could not be told."""
    values = {
        **key.row,
        "fingerprint": problem.fingerprint,
        "about": json.dumps(dict(problem.about)),
        "since": problem.since,
        "claim": problem.claim,
    }
    if session.change(FIRST.format(now=session.now), values):
        done(session, key, problem.claim)


def _open(row: Row) -> Open:
    return Open(row["topic"], json.loads(row["about"]), row["since"], row["claim"], row["fingerprint"])
