"""``gates`` of a playbook: when nothing is deployed, where it must have been first; ``source.signed_by``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema

from deployer.config import terms
from deployer.model.barriers import Moment, Window

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOMENT = re.compile(
    r"(?:(?P<date>\d{4}-\d\d-\d\d)[T ]|(?P<weekday>mon|tue|wed|thu|fri|sat|sun) )?"
    r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)",
    re.ASCII,
)
_EXACT = ConfigDict(extra="forbid")


def moment(value: Any) -> Moment:
    """``2026-11-27T00:00``, ``fri 16:00`` or ``22:00``."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        return Moment(time(value // 60, value % 60))  # YAML 1.1 reads 22:00 as a number to the base of 60
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            "expected a date with a time (2026-11-27T00:00), a weekday with a time (fri 16:00), or a time of "
            f'every day ("22:00"), not {str(value)!r}'
        )
    at = time(int(match["hour"]), int(match["minute"]))
    if match["date"]:
        return Moment(at, date.fromisoformat(match["date"]))
    return Moment(at, WEEKDAYS.index(match["weekday"]) if match["weekday"] else None)


def zone(value: Any) -> str:
    """An IANA time zone that this machine knows."""
    from zoneinfo import ZoneInfo

    name = terms.line(value)
    if name != "UTC":
        try:
            ZoneInfo(name)
        except (KeyError, OSError, ValueError):
            raise ValueError(
                f"{name!r} is not a time zone that this machine knows (Europe/Berlin, UTC …); "
                "where it knows none, install tzdata"
            ) from None
    return name


def signers(value: Any, info: ValidationInfo) -> tuple[terms.LocalFile, ...] | None:
    """One file with keys, or a list of them."""
    if value is None:
        return None
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ValueError("expected a file, or a list of files, with the keys that may sign")
    return tuple(terms.local_file(item, info) for item in items)


def inventory_name(value: Any) -> str | None:
    """The name of another inventory."""
    if value is None:
        return None
    name = terms.line(value)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise ValueError(
            f"expected the name of an inventory (staging for inventories/staging.yml), not {name!r}"
        )
    return name


_FILE = {"type": "string", "minLength": 1}
MomentTerm = Annotated[
    Moment,
    PlainValidator(moment),
    WithJsonSchema(
        {
            "oneOf": [
                {
                    "type": "string",
                    "pattern": r"^([0-9]{4}-[0-9]{2}-[0-9]{2}[T ]|(mon|tue|wed|thu|fri|sat|sun) )?"
                    r"([01][0-9]|2[0-3]):[0-5][0-9]$",
                    "examples": ["2026-11-27T00:00", "fri 16:00", "22:00"],
                },
                {"type": "integer", "minimum": 0, "maximum": 1439},
            ]
        }
    ),
]
Zone = Annotated[str, PlainValidator(zone), WithJsonSchema({**_FILE, "examples": ["Europe/Berlin"]})]
InventoryName = Annotated[
    str | None,
    PlainValidator(inventory_name),
    WithJsonSchema({"type": ["string", "null"], "pattern": r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"}),
]
Signers = Annotated[
    tuple[terms.LocalFile, ...] | None,
    PlainValidator(signers),
    WithJsonSchema({"oneOf": [_FILE, {"type": "array", "minItems": 1, "items": _FILE}, {"type": "null"}]}),
]


@dataclass(frozen=True, slots=True)
class Freeze:
    """A window in which nothing is deployed."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    name: Annotated[terms.Line, Field(description="How it is called where it refuses a deployment.")]
    start: Annotated[
        MomentTerm,
        Field(alias="from", description="When it begins: 2026-11-27T00:00, fri 16:00 or 22:00 every day."),
    ]
    end: Annotated[
        MomentTerm, Field(alias="to", description="When it ends, written in the same form as from.")
    ]
    zone: Annotated[Zone, Field(description="Time zone of both, by its IANA name.")] = "UTC"

    @property
    def window(self) -> Window:
        """As the gate's rules know it."""
        return Window(self.name, self.start, self.end, self.zone)


@dataclass(frozen=True, slots=True)
class Gates:
    """What has to be true before anything is deployed."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    after: Annotated[
        InventoryName,
        Field(description="Inventory in which the same tree must have been promoted before."),
    ] = None
    within_s: Annotated[terms.Duration, Field(alias="within", description="How long ago that may be.")] = (
        7 * 86_400.0
    )
    freeze: Annotated[tuple[Freeze, ...], Field(description="Windows in which nothing is deployed.")] = ()


def misfits(gates: Gates) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Values that are good by themselves and do not fit together."""
    if gates.within_s <= 0:
        yield ("gates", "within"), "expected more than 0s"
    for at, freeze in enumerate(gates.freeze):
        start, end = freeze.start, freeze.end
        here = ("gates", "freeze", at, "to")
        if start.kind != end.kind:
            yield here, "expected the same form as from: both a date, both a weekday, or both only a time"
        elif start == end:
            yield here, "is the same moment as from"
        elif start.kind == "date" and _before(end, start):
            yield here, "lies before from"


def _before(one: Moment, other: Moment) -> bool:
    return (str(one.day), one.at) < (str(other.day), other.at)
