"""A notice as people read it: in a chat, a mail, on a telephone at three in the morning. Pure."""

from __future__ import annotations

from deployer.notify.notices import Notice, Turn
from deployer.report.words import clean, iso

LONGEST = 1200  #: characters of one part; what nginx says can be long, and a chat cuts it anyway


def subject(notice: Notice) -> str:
    """One line: how loud, where, what."""
    loud = "" if notice.level is None or notice.turn is Turn.OVER else f"{notice.level.value.upper()} "
    return f"[deployer] {loud}{clean(notice.inventory)}: {clean(notice.title)}"


def text(notice: Notice, *, where: str) -> str:
    """What happened, what deployer did about it, what a person should do now, and the command.

    :param where: ``ops1:/srv/nginx``: the machine and the project directory the commands are meant for.
    """
    parts = [
        ("What happened", notice.happened),
        ("What deployer did", notice.did),
        ("What to do now", notice.now),
    ]
    lines = [f"{name}: {_short(said)}" for name, said in parts if said]
    if notice.commands:
        lines += [f"Command ({clean(where)}):", *(f"    {command}" for command in notice.commands)]
    lines += ["", _footer(notice)]
    return "\n".join(lines)


def _footer(notice: Notice) -> str:
    known = [notice.deployment, notice.revision and f"revision {clean(notice.revision)[:40]}"]
    known += [notice.who and f"by {clean(notice.who)}", iso(notice.time)]
    return " · ".join(filter(None, known))


def _short(said: str) -> str:
    line = clean(said)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} …"
