"""The playbook's ``compare``: what may be asked of live and candidate, and which differences are meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from deployer.config import terms
from deployer.config.identities import Identity
from deployer.config.routes import Route, route

__all__ = ["COMPARED", "Compare", "ExpectedChange", "route"]


@dataclass(frozen=True, slots=True)
class ExpectedChange:
    """A route that may be answered worse, and why."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    route: Annotated[Route, Field(description="HOST/PATH, /PATH or HOST, with * and ?; _ for no name.")]
    reason: Annotated[terms.Line, Field(description="Why; it is recorded with the deployment.")]


@dataclass(frozen=True, slots=True)
class Compare:
    """How the answers of live and candidate are compared."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    exclude: Annotated[
        tuple[Route, ...], Field(description="Routes that are never asked: a GET of theirs does something.")
    ] = ()
    expect_changes: Annotated[
        tuple[ExpectedChange, ...],
        Field(description="Routes that may be answered worse, each with a reason."),
    ] = ()
    as_: Annotated[
        tuple[Identity, ...],
        Field(alias="as", description="As whom questions are asked besides: credentials, versions."),
    ] = ()
    sample: Annotated[
        int, terms.Whole(0, 1000), Field(description="Paths of the access log that are asked; 0: none.")
    ] = 50
    cap: Annotated[
        int, terms.Whole(1, 5000), Field(description="Questions for a host, of live and candidate each.")
    ] = 400


COMPARED = Compare()
"""Of a playbook that says nothing of it."""
