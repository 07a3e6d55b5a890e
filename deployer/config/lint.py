"""``lint`` of a playbook: which findings refuse a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from deployer.config import terms


class FailOn(StrEnum):
    """From which severity on a finding refuses."""

    ERROR = "error"
    WARNING = "warning"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Lint:
    """What is made of the findings of ``deployer check``."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    fail_on: Annotated[
        FailOn, Field(description="What refuses a deployment: error, warning (and errors), or never.")
    ] = FailOn.ERROR
    ignore: Annotated[
        tuple[terms.Line, ...], Field(description="Ids of rules (docs/lint.md) that are not asked.")
    ] = ()
