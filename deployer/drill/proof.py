"""Whether the fleet is repaired: by what deployer sees, by the releases that are meant, and by the users."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from deployer.drill.model import Scenario
from deployer.drill.record import Users
from deployer.drill.scene import Scene
from deployer.errors import DeployerError

USERS_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Proof:
    """:ivar missing: a sentence for each thing that is not as it should be; none: repaired."""

    missing: tuple[str, ...]

    @property
    def repaired(self) -> bool:
        """Nothing is missing."""
        return not self.missing


def prove(scene: Scene, scenario: Scenario) -> Proof:
    """Look, and note what was seen. It changes nothing on any host."""
    began = time.time()
    status = json.loads(scene.run(["status", "lab", "--json"], codes=(0, 6)).stdout)
    commits = {scene.known.commits[label] for label in scenario.repaired.releases}
    releases = {r for r in (scene.known.releases.get(label) for label in scenario.repaired.releases) if r}
    if scenario.repaired.own:
        commits |= scene.own_commits()
    met = _users_since(scene, time.time())
    proof = Proof((*fleet_lacks(status, commits, releases), *users_lack(met, scenario.page)))
    scene.record.add("proof", repaired=proof.repaired, missing=proof.missing, began=began)
    return proof


def fleet_lacks(status: Mapping[str, Any], commits: Collection[str], releases: Collection[str]) -> list[str]:
    """What the document of ``deployer status`` holds against it. Pure.

    :param commits: that may be live, in full.
    :param releases: likewise; another commit with the same tree is as good.
    """
    troubles = [f"{name}: {said}" for name, host in status["hosts"].items() for said in host["troubles"]]
    if status["split"]:
        troubles.append(status["split"])
    troubles += [f"deployment {each['deployment']} has not ended" for each in status["unfinished"]]
    begins = {commit[:12] for commit in commits}
    ends = {release.rpartition("-")[2] for release in releases}
    for name, host in status["hosts"].items():
        commit, _, tree = str(host["live"]).rpartition("-")
        if host["live"] is not None and commit not in begins and tree not in ends:
            troubles.append(f"{name} serves {host['live']}, which is not what users need")
    if status["exit_code"] and not troubles:
        troubles.append(f"deployer status ends with {status['exit_code']}")
    return troubles


def users_lack(met: Users | None, page: str) -> list[str]:
    """What the users of the last second hold against it. Pure."""
    if met is None:
        return ["nobody counts users any more: the drill's time is over, end it with: deployer drill end"]
    if not met.failed:
        return []
    return [f"{met.failed} of the last {met.total} users did not get {page!r}"]


def _users_since(scene: Scene, since: float) -> Users | None:
    """The first sample that began after ``since``; ``None`` when none comes."""
    keeper = scene.known.keeper
    deadline = time.monotonic() + USERS_WITHIN_S
    while time.monotonic() < deadline:
        alive = keeper is not None and keeper.alive
        for users in scene.record.users():
            if users.began >= since and users.total:
                return users
        if not alive:
            return None
        time.sleep(0.05)
    raise DeployerError(f"users were not counted for {USERS_WITHIN_S:.0f} s: is this machine overloaded?")
