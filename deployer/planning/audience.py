"""Who watches a command: a terminal, a log, a program that reads one document. The commands speak to this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deployer.errors import HostError
    from deployer.model import Event
    from deployer.planning.proposal import Proposal
    from deployer.rollout.back import BackPlan
    from deployer.rollout.resume import Recovery


class Audience(Protocol):
    """What a command tells and asks, in the order it happens."""

    @property
    def wants_diff(self) -> bool:
        """Whether the text of what changes should be fetched."""

    def saying(self, what: str) -> None:
        """What is being done now, before there is a plan."""

    def proposes(self, proposal: Proposal) -> None:
        """The plan of a deployment is made."""

    def agrees(self, proposal: Proposal, /) -> bool:
        """Whether to deploy. Only asked without ``--yes``."""

    def shows_way_back(self, plan: BackPlan, silent: Mapping[str, HostError]) -> None:
        """What a rollback will do, and who does not answer."""

    def agrees_to_go_back(self, plan: BackPlan, /) -> bool:
        """Whether to roll back. Only asked without ``--yes``."""

    def shows_recovery(self, recovery: Recovery, silent: Mapping[str, HostError]) -> None:
        """What a recovery found and will do, and who does not answer."""

    def agrees_to_recover(self, recovery: Recovery, /) -> bool:
        """Whether to recover. Only asked without ``--yes``."""

    def hears(self, event: Event) -> None:
        """Something was journalled. Called from many threads."""

    def warns(self, what: str) -> None:
        """Something that does not stop the command but should be known."""
