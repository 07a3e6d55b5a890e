"""One cell of the matrix: a deployment to a wave of hosts, a fault in one step on one of them, its end."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deployer.journal.store import Store
from deployer.lab import sample
from deployer.lab.host import LabHost
from deployer.model import Event, State
from deployer.rollout.saga import HostLog, Step
from tests.faults.proof import Proof, Standing
from tests.faults.seam import Moment, Seam, checks_seen, learned, until_happened
from tests.faults.strikes import Fault, Strike
from tests.lab.story import SHOP, Ran, Story, wait_for

GUARD_S = 4.0  #: ``confirm_within``
GRACE_S = 12.0  #: after the deadline, or the controller's end: for the guard's own work
ENDS_S = 150.0  #: so long the longest way back may be tried
EVERY_S = 0.2
BEFORE_ANY = frozenset({"refused", "untouched", "unreachable", "rolled_back", "prepared"})


class Broken(AssertionError):
    """A promise that was not kept."""


@dataclass(frozen=True)
class Outcome:
    """What came of a cell.

    :ivar ended: how the controller ended: its exit code, or that it was killed.
    :ivar safe_s: seconds from the fault until every host stood on its target or its ``from`` for good;
        ``None`` where that waited for somebody to start nginx.
    :ivar marks: what a reader of the table should know.
    """

    ended: str
    where: str
    safe_s: float | None
    marks: tuple[str, ...] = ()


@dataclass
class Ground:
    """A lab, and the shops that were deployed on it."""

    story: Story
    waves: tuple[int | str, ...]
    proof: Proof = field(default_factory=Proof)
    number: int = 0
    verbs: Mapping[Step, list[str]] = field(default_factory=dict)

    @property
    def hosts(self) -> list[LabHost]:
        """All of them."""
        return self.story.lab.hosts

    @property
    def wave(self) -> list[LabHost]:
        """The last wave's."""
        first = self.waves[0]
        return self.hosts[first:] if isinstance(first, int) else self.hosts

    @property
    def database(self) -> Path:
        """The controller's journal."""
        return self.story.directory / "home/state/deployer/state.db"

    def write_playbook(self, within_s: float) -> None:
        """The playbook of every deployment here."""
        self.story.playbook(
            health={"deadline": "5s", "interval": "50ms", "consecutive": 2, "bake": "1s"},
            rollout={"waves": list(self.waves), "confirm_within": f"{within_s:g}s"},
        )

    def commit(self) -> int:
        """Commit the next shop, which can be made ill; its number."""
        self.number += 1
        text = sample.shop(f"shop {self.number}")
        ill = f"if (-f /run/strike/ill-{self.number}) {{ return 500; }}\n\t\tproxy_pass"
        commit = self.story.commit({SHOP: text.replace("proxy_pass", ill)}, f"shop {self.number}")
        self.proof.learn(self.number, commit, self.story.lab.repo)
        return self.number

    def make_ready(self) -> None:
        """From hosts and a journal made anew: a good release, agents that can be held, a step's verbs."""
        shutil.rmtree(self.database.parent, ignore_errors=True)
        for host in self.hosts:
            host.reset()
        self.write_playbook(within_s=120)
        self.good_deploy()
        for host in self.hosts:
            Seam(host).install()
        if not self.verbs:
            host = self.wave[0]
            Seam(host).trace()
            self.good_deploy()
            self.verbs = learned(Seam(host).traced(), self.events(), host.name)
        for host in self.hosts:
            Seam(host).clear()
        self.write_playbook(within_s=GUARD_S)

    def good_deploy(self) -> None:
        """The next good deployment succeeds, proved."""
        number = self.commit()
        ran = self.story.run("deploy", "lab", "--yes", "--json", "-v")
        need(ran.code == 0, f"the next good deployment ended with {ran.code}: {reason(ran)}")
        for host in self.hosts:
            seen = self.proof.standing(host)
            need(seen.number == number and not seen.guarded, f"deployed, but {host.name} has {seen}")

    def events(self) -> list[Event]:
        """The newest deployment's, of hosts and fleet."""
        with Store.open(f"sqlite:///{self.database}", read_only=True) as store:
            return list(store.events(store.deployment("last").id))

    def unfinished(self) -> list[str]:
        """Deployments of which the journal does not know how they ended."""
        with Store.open(f"sqlite:///{self.database}", read_only=True) as store:
            return [record.id for record in store.deployments(unfinished=True)]


@dataclass
class Cell:
    """One step, one fault."""

    ground: Ground
    step: Step
    fault: Fault
    dice: random.Random

    def run(self) -> Outcome:
        """Have it happen, and look whether every promise was kept. Raises :class:`Broken`."""
        ground = self.ground
        source, target = ground.number, ground.commit()
        moment, victim = self.fault.moment(self.dice), self.dice.choice(ground.wave)
        verbs = ground.verbs[self.step]
        if verbs:
            verb = verbs[0] if moment is Moment.BEFORE else verbs[-1]
            Seam(victim).arm(verb, moment, fail=self.fault.fails)
        began = time.time()
        controller = ground.story.start("deploy", "lab", "--yes", "--json", "-v")
        try:
            self._await(victim, moment, controller, began)
            strike = Strike(self.fault, victim, controller, target, not verbs, GUARD_S + 1.5)
            struck = time.monotonic()
            strike.now()
            safe = self._watch(controller, {source, target}, struck)
            ran = None if self.fault is Fault.KILLED else ground.story.end(controller)
        finally:
            controller.kill()
            controller.communicate()
        return self._judge(strike, ran, safe - struck, (source, target))

    def _await(
        self, victim: LabHost, moment: Moment, controller: subprocess.Popen[str], began: float
    ) -> None:
        """Until the victim is where the fault strikes."""
        if self.ground.verbs[self.step]:
            seam = Seam(victim)
            wait_for(lambda: seam.reached or controller.poll() is not None, "not reached", within_s=60)
            need(seam.reached, f"the controller ended with {controller.returncode} before {self.step}")
            return
        # A look from outside: it begins when the journal says so, and has had its effect once it is answered.
        seen = checks_seen(victim)
        until_happened(self.ground.database, victim.name, self.step, State.STARTED, began)
        if moment is Moment.AFTER:
            wait_for(lambda: checks_seen(victim) > seen, "no check is seen")

    def _watch(self, controller: subprocess.Popen[str], wanted: set[int], struck: float) -> float:
        """Until the controller has ended and every host stands for good; since when (monotonic)."""
        since: float | None = None
        ended: float | None = None
        while True:
            now = time.monotonic()
            seen = {host.name: self.ground.proof.standing(host) for host in self.ground.hosts}
            safe = all(s.number in wanted and not s.guarded for s in seen.values())
            since = (since or now) if safe else None
            if ended is None and controller.poll() is not None:
                ended = now
            if since is not None and ended is not None and now > struck + GUARD_S:
                return since
            need(now < struck + ENDS_S, f"the controller does not end; {tell(seen)}")
            if ended is not None and now > max(ended, struck + GUARD_S) + GRACE_S:
                if self._waits_for_contact(seen, wanted):
                    return now
                raise Broken(f"the controller has ended ({controller.returncode}), but {tell(seen)}")
            time.sleep(EVERY_S)

    def _waits_for_contact(self, seen: Mapping[str, Standing], wanted: set[int]) -> bool:
        """A host without an init, rebooted, or without nginx: whole, and waiting for somebody."""
        if self.fault is Fault.NGINX:
            return all(s.disk in wanted and not s.guarded for s in seen.values())
        light = self.ground.story.lab.init == "light"
        return light and self.fault is Fault.REBOOTED and all(s.number in wanted for s in seen.values())

    def _judge(self, strike: Strike, ran: Ran | None, safe_s: float, shops: tuple[int, int]) -> Outcome:
        ground, (source, target) = self.ground, shops
        marks: list[str] = []
        events = ground.events()
        before = {host.name: ground.proof.standing(host) for host in ground.hosts}
        if ran is not None:
            truthful(ran, before, shops, away={strike.host.name} if strike.away else set())
        self._journal_is_true(events, strike)
        if strike.away:
            away = recover(ground)
            need(away in (0, 5), f"recover, with {strike.host.name} away, ended with {away}")
            marks += ["away"] if away else []
        if strike.lift():
            marks.append("nginx")
        need((back := recover(ground)) == 0, f"recover ended with {back}")
        need(not ground.unfinished(), f"recovered, but the journal leaves {ground.unfinished()} open")
        seen = {host.name: ground.proof.standing(host) for host in ground.hosts}
        for name, stands in seen.items():
            need(stands.number in shops and not stands.guarded, f"recovered, but {name} has {stands}")
        numbers = {stands.number for stands in seen.values()}
        where = {frozenset({source}): "from", frozenset({target}): "target"}.get(frozenset(numbers), "split")  # type: ignore[arg-type]
        if {s.disk for s in before.values()} != {s.disk for s in seen.values()}:
            marks.append("recovered")
        ground.good_deploy()
        ended = "killed" if ran is None else str(ran.code)
        return Outcome(ended, where, None if "nginx" in marks else safe_s, tuple(marks))

    def _journal_is_true(self, events: list[Event], strike: Strike) -> None:
        """It can be read, and nothing was done on a host that it did not announce."""
        steps = {verb: step for step, verbs in self.ground.verbs.items() for verb in verbs}
        for host in self.ground.hosts:
            mine = [event for event in events if event.host == host.name]
            HostLog.of(mine)
            deployment = events[0].deployment
            announced = {event.step for event in mine}
            if strike.fault is Fault.FULL and host.name == strike.host.name:
                continue  # its log may have had no space
            for line in host.read("/var/lib/deployer/nginx/private/log").splitlines():
                _, whose, verb, *_ = line.split()
                if whose == deployment and verb in steps and verb != "release":
                    need(steps[verb] in announced, f"{host.name} did {verb}, and the journal knows nothing")


def need(kept: bool, otherwise: str) -> None:
    """Raise :class:`Broken` where a promise was not kept."""
    if not kept:
        raise Broken(otherwise)


def tell(seen: Mapping[str, Standing]) -> str:
    """All hosts in one line."""
    return "; ".join(f"{name}: {stands}" for name, stands in seen.items())


def reason(ran: Ran) -> str:
    """Why the program ended so."""
    return str(ran.document["reason"]) if ran.out.startswith("{") else ran.err.strip()[-300:]


def truthful(ran: Ran, seen: Mapping[str, Standing], shops: tuple[int, int], away: set[str]) -> None:
    """What the program said of each host is so."""
    source, target = shops
    for name, said in ran.document["hosts"].items():
        stands = seen[name].disk
        outcome = said["outcome"]
        if outcome == "stuck":
            need(name in away, f"{name} is called stuck, but it is there: {said['reason']}")
        elif outcome == "deployed":
            need(stands == target, f"{name} is called deployed, but has {seen[name]}")
        else:
            need(outcome in BEFORE_ANY, f"{name} is called {outcome}")
            need(stands == source, f"{name} is called {outcome}, but has {seen[name]}")
    allowed = {0, 3, 4, 6, 130} | ({5} if away else set())
    need(ran.code in allowed, f"the controller ended with {ran.code}: {reason(ran)}")


def recover(ground: Ground) -> int:
    """Finish or unwind what is left; the exit code."""
    ran = ground.story.run("recover", "lab", "--yes", "--json")
    return ran.code
