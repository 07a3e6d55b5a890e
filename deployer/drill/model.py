"""The nouns of a drill, frozen. What is declared here is data: the page for trainers is made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deployer.drill.scene import Scene


@dataclass(frozen=True, slots=True)
class Step:
    """One command of an answer, as it is typed in the drill's shell.

    :ivar command: ``{good}`` becomes the commit of that label, ``{good_release}`` its release on the hosts.
    :ivar codes: the exit codes with which it may end.
    :ivar patience_s: so long it is said again until it ends with one of them; 0: said once.
    """

    command: str
    why: str
    codes: tuple[int, ...] = (0,)
    patience_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Repaired:
    """When the fleet counts as repaired, beside ``deployer status`` with 0 and users who get their page.

    :ivar releases: labels of the commits of which one is live on every host.
    :ivar own: a commit that the trainee made will do as well.
    """

    releases: tuple[str, ...]
    own: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """What happens by itself once the trainee has said a certain command, or when that takes too long."""

    verb: str  #: the command of deployer that sets it off when it ends
    after_s: float  #: seconds from its end
    latest_s: float  #: seconds from the break, whatever was said
    act: Callable[[Scene], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that goes wrong, and how it is made good.

    :ivar page: what users come for: a text in the answer of the shop.
    :ivar ground: lays what was before: good deployments.
    :ivar strike: breaks it before the users' eyes; ``None``: it was broken already when they came.
    :ivar cause: key of :data:`CAUSES`: what ``drill found`` is to be told.
    :ivar tempting: the mistake that many make; it does not repair anything.
    :ivar lesson: what is learnt, for the end.
    :ivar notes: for the trainer.
    :ivar docs: page below ``docs/``, with its anchor.
    """

    name: str
    title: str
    story: str
    page: str
    ground: Callable[[Scene], None]
    strike: Callable[[Scene], None] | None
    cause: str
    repaired: Repaired
    repaired_told: str
    hints: tuple[str, ...]
    answer: tuple[Step, ...]
    tempting: Step
    lesson: str
    notes: str
    docs: str
    minutes: int  #: what a trainer plans for it, with the debriefing
    later: Later | None = None


CAUSES = {
    "faulty-release": "the release that was deployed last carries the fault",
    "earlier-release": "a release before the last one carries the fault",
    "good-release-taken-back": "a good release was taken back",
    "host-left-behind": "a host missed a deployment and serves an older release",
    "edited-by-hand": "files were edited by hand on hosts, and git does not know",
    "reload-refused": "nginx refused a reload and goes on with what it had in memory",
    "port-taken": "nginx cannot start: a port that its configuration asks for is taken",
    "certificate-expired": "a certificate has expired",
    "controller-died": "whoever deployed died in the middle",
    "lock-held": "somebody holds the inventory and does not let go",
    "host-unreachable": "a faulty release is live, and one host cannot be reached to take it back",
    "code": "a deployment of the application's code",
    "database": "the database cannot be reached",
    "overload": "more users than the fleet can serve",
}
"""What ``drill found`` knows. The last three are the suspects on which the night of 12 June was lost."""
