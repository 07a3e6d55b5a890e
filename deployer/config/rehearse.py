"""The playbook's ``rehearse``: whether a candidate is run beside live before anything changes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


class RehearseMode(StrEnum):
    """Whether."""

    AUTO = "auto"  #: where the host can; where it cannot, that is said
    ON = "on"  #: a host that cannot refuses the deployment
    OFF = "off"


class Answers(StrEnum):
    """Which of the hosts that rehearse are asked questions, to compare the answers."""

    FIRST_WAVE = "first_wave"  #: and one of each group that renders differently
    ALL = "all"
    OFF = "off"


def _word(value: Any) -> Any:
    """YAML reads the words on and off as truth values."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


def _section(value: Any) -> Any:
    """A word alone is the mode."""
    return {"mode": value} if isinstance(value, bool | str) else value


_MODES = [*(mode.value for mode in RehearseMode), True, False]


@dataclass(frozen=True, slots=True)
class Rehearse:
    """Whether a candidate is run beside live on its host before anything changes."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    mode: Annotated[
        RehearseMode,
        BeforeValidator(_word),
        WithJsonSchema({"enum": _MODES}),
        Field(description="auto (where the host can), on (a host that cannot refuses) or off."),
    ] = RehearseMode.AUTO
    answers: Annotated[
        Answers,
        BeforeValidator(_word),
        WithJsonSchema({"enum": [*(answers.value for answers in Answers), False]}),
        Field(description="Who is asked: first_wave (and one host of each that render alike), all or off."),
    ] = Answers.FIRST_WAVE


class _OrWord:
    """Says in the JSON Schema that a word alone will do."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"enum": _MODES}, handler(core_schema)]}


BY_DEFAULT = Rehearse()
RehearseSection = Annotated[Rehearse, BeforeValidator(_section), _OrWord()]
