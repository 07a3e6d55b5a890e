"""Host names with ranges, as Ansible writes them: ``web[01:20].example.com``, ``db-[a:f]``, ``n[0:8:2]``."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from ipaddress import ip_address
from itertools import product

MAX_HOSTS = 20_000
"""No entry of an inventory stands for more hosts than this."""

_RANGE = re.compile(r"\[([^\]]*)\]")
_PORT = re.compile(r"(?P<name>(?:[^:\[\]]|\[[^\]]*\])+):(?P<port>\d{1,5})")
_BRACKETED = re.compile(r"\[(?P<name>[^\]]+)\](?::(?P<port>\d{1,5}))?")


def split_port(text: str) -> tuple[str, int | None]:
    """``web1:2222`` → (``web1``, 2222), ``[2001:db8::1]:22`` likewise; a bare IPv6 address has no port."""
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed and is_address(bracketed["name"]):
        return bracketed["name"], int(bracketed["port"]) if bracketed["port"] else None
    match = _PORT.fullmatch(text)
    return (match["name"], int(match["port"])) if match else (text, None)


def is_address(text: str) -> bool:
    """Whether the text is an IP address, and not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def expand(text: str) -> list[str]:
    """All names that the text stands for, in order; the first range turns slowest.

    :raises ValueError: with a sentence that says what is wrong with the range.
    """
    literals = _RANGE.split(text)[::2]
    if any("[" in part or "]" in part for part in literals):
        raise ValueError("a bracket is not closed")
    ranges = [_steps(body) for body in _RANGE.findall(text)]
    total = 1
    for steps in ranges:
        total *= len(steps)
    if total > MAX_HOSTS:
        raise ValueError(f"the range stands for more than {MAX_HOSTS} hosts")
    return [
        literals[0] + "".join(step + tail for step, tail in zip(steps, literals[1:], strict=True))
        for steps in product(*ranges)
    ]


def _steps(body: str) -> Sequence[str]:
    if not body.isprintable():
        raise ValueError("a range has no control characters")
    first, *rest = body.split(":")
    if len(rest) not in (1, 2) or not rest[0]:
        raise ValueError(f"[{body}] is not a range; write [first:last] or [first:last:step]")
    last, step = rest[0], rest[1] if len(rest) == 2 else "1"
    if not (step.isascii() and step.isdigit()) or int(step) < 1:
        raise ValueError(f"the step of [{body}] has to be a number from 1 on")
    letters = string.ascii_letters
    if len(first) == len(last) == 1 and first in letters and last in letters:
        found = letters[letters.index(first) : letters.index(last) + 1 : int(step)]
    else:
        found = _numbers(first or "0", last, int(step), body)  # type: ignore[assignment]
    if not found:
        raise ValueError(f"[{body}] ends before it begins")
    return found


def _numbers(first: str, last: str, step: int, body: str) -> Sequence[str]:
    if not all(end.isascii() and end.isdigit() and len(end) <= 9 for end in (first, last)):
        raise ValueError(f"[{body}] has to run between two numbers or two letters")
    padded = first[0] == "0" and len(first) > 1
    if padded and len(first) != len(last):
        raise ValueError(f"both ends of [{body}] need the same number of digits, since the first is padded")
    span = range(int(first), int(last) + 1, step)
    if len(span) > MAX_HOSTS:
        raise ValueError(f"[{body}] stands for more than {MAX_HOSTS} hosts")
    return [str(number).zfill(len(first)) if padded else str(number) for number in span]
