"""All scenarios, in the order in which they are taught."""

from __future__ import annotations

from deployer.drill.model import Scenario
from deployer.drill.scenarios import hosts, people, releases
from deployer.errors import UsageError

SCENARIOS: tuple[Scenario, ...] = (*releases.SCENARIOS, *hosts.SCENARIOS, *people.SCENARIOS)


def scenario(name: str) -> Scenario:
    """The scenario of that name. :raises UsageError: there is none."""
    found = next((each for each in SCENARIOS if each.name == name), None)
    if found is None:
        raise UsageError(f"there is no scenario {name!r}; see: deployer drill list")
    return found
