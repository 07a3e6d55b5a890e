"""A calendar expression and a command as a line of a crontab. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deployer.schedule.calendar import Calendar


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
    line = f"cd {quote(directory)} && {' '.join(map(quote, argv))} >/dev/null"
    return line.replace("%", "\\%")


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
