"""A calendar expression and a command as a line of a crontab, and the variables above it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deployer.schedule.calendar import Calendar

COPIED = "# copied from "
_SETTING = re.compile(r"\s*[A-Za-z_]\w*\s*=", re.ASCII)


def cron_times(calendar: Calendar) -> str:
    """The five fields, such as ``0 10 * * 1-5``.

    :raises ValueError: a sentence that says what cron cannot express of it.
    """
    cannot = None
    if calendar.zone is not None:
        cannot = f"the time zone {calendar.zone}"
    elif calendar.years is not None:
        cannot = "a year"
    elif calendar.from_end:
        cannot = "days counted from the end of the month"
    elif calendar.seconds != {0}:
        cannot = "seconds"
    elif len(calendar.days) < 31 and len(calendar.weekdays) < 7:
        cannot = "a weekday and a day of the month together (it runs on either)"
    if cannot is not None:
        raise ValueError(f"cron does not know {cannot}: {calendar.text!r} needs a systemd timer")
    weekdays = {(day + 1) % 7 for day in calendar.weekdays}  # cron's Sunday is 0
    return " ".join(
        (
            _field(calendar.minutes, 0, 59),
            _field(calendar.hours, 0, 23),
            _field(calendar.days, 1, 31),
            _field(calendar.months, 1, 12),
            _field(weekdays, 0, 6),
        )
    )


def cron_command(argv: Sequence[str], directory: str) -> str:
    """The command as cron wants it: for a shell, and with ``\\%`` for a percent sign.

    What is no news is written to standard output, which nobody wants mail of.
    """
    return f"{shell_command(argv, directory)} >/dev/null".replace("%", "\\%")


def shell_command(argv: Sequence[str], directory: str) -> str:
    """The same for a shell, all of it heard."""
    return f"cd {quote(directory)} && {' '.join(map(quote, argv))}"


def cron_settings(variables: Mapping[str, str], file: str) -> Iterator[str]:
    """The lines that give the entries below them these variables of that file (crontab(5)).

    :raises ValueError: a sentence that says which of them cron cannot be given.
    """
    yield f"{COPIED}{file}; after a change of it install the schedule again"
    for name, value in variables.items():
        mark = "'" if '"' in value else '"'
        if mark in value or not value.isprintable():
            raise ValueError(
                f"cron has no way to write the value of {name}: it has both kinds of quotes in it"
            )
        yield f"{name}={mark}{value}{mark}"


def own_settings(text: str) -> tuple[str, ...]:
    """What somebody wrote above our entry, ``MAILTO=…`` for one; not what was copied there."""
    kept = []
    for line in text.splitlines():
        if line.startswith(COPIED):
            break
        if _SETTING.match(line):
            kept.append(line)
    return tuple(kept)


def _field(numbers: frozenset[int] | set[int], least: int, most: int) -> str:
    if len(numbers) == most - least + 1:
        return "*"
    ordered = sorted(numbers)
    for step in range(2, most):
        if len(ordered) > 2 and ordered == list(range(least, most + 1, step)):
            return f"*/{step}"
    runs: list[list[int]] = []
    for number in ordered:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)
