"""A drill from its beginning to its end: set up, looked at, helped, ended; and played by itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deployer.drill.keeper import RATE
from deployer.drill.model import CAUSES, Scenario, Step
from deployer.drill.proof import Proof, prove
from deployer.drill.scenarios import scenario
from deployer.drill.scene import COMMAND_S, Scene
from deployer.drill.score import Score, score
from deployer.errors import DeployerError, UsageError
from deployer.lab.fleet import Lab
from deployer.lab.proc import Process
from deployer.lab.signals import deaf, interrupted_once

HOSTS = 3
ROOM = 32 << 20  #: bytes: project, repository, journal, caches, three hours of users
KEEPER_WITHIN_S = 60.0
AGAIN_EVERY_S = 1.0
Say = Callable[[str], None]


def start(name: str, directory: Path, say: Say) -> Scene:
    """Make a fleet, put users on it, and break it. What went wrong half-way is taken down again.

    :raises UsageError: no such scenario; a drill runs there already; this machine cannot have a lab.
    :raises DeployerError: the ground could not be laid.
    """
    wanted = scenario(name)
    if (directory / "drill/scene.json").exists():
        raise UsageError(f"a drill runs in {directory} already; end it with: deployer drill end")
    _need_room(directory)
    with interrupted_once():
        say(f"starting {HOSTS} hosts with real sshd and nginx on this machine …")
        lab = Lab.up(directory, hosts=HOSTS, name=directory.name)
        scene = None
        try:
            scene = Scene.make(lab, name)
            say("laying the ground: what was deployed before …")
            wanted.ground(scene)
            say(f"users ask {RATE:.0f} times a second; something is about to break …")
            _begin_to_count(scene)
            scene.record.add("breaking")
            if wanted.strike is not None:
                wanted.strike(scene)
            scene.record.add("broken")
            lab.state.owner = None  # from here on it outlives this process
            lab.save()
        except BaseException:
            with deaf():
                scene.end() if scene is not None else lab.down()
            raise
    return scene


def _need_room(directory: Path) -> None:
    """A disk that fills in the middle of a drill would be a second fault, which nobody ordered."""
    there = next(path for path in (directory, *directory.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if free < ROOM:
        raise UsageError(
            f"a drill takes {ROOM >> 20} MB, and {there} has {free / (1 << 20):.1f} MB left: make room, "
            "or name another place with --dir"
        )


def _begin_to_count(scene: Scene) -> None:
    """Start the keeper, and wait until users are counted."""
    with (scene.directory / "keeper.log").open("w") as log:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "deployer.drill.keeper", str(scene.lab.directory)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=scene.environment(),
        )  # fmt: skip
    scene.known.keeper = Process.of(child.pid)
    scene.save()
    deadline = time.monotonic() + KEEPER_WITHIN_S
    while not any(users.total for users in scene.record.users()):
        if child.poll() is not None or time.monotonic() > deadline:
            said = (scene.directory / "keeper.log").read_text().strip()[-400:]
            raise DeployerError(f"the users of the drill do not come: {said or 'no reason given'}")
        time.sleep(0.02)


def check(scene: Scene) -> Proof:
    """Look whether the fleet is repaired.

    :raises UsageError: nothing is broken yet.
    """
    _need_broken(scene)
    return prove(scene, scenario(scene.known.scenario))


def hint(scene: Scene) -> tuple[int, str]:
    """The next hint, and its number.

    :raises UsageError: there are no more.
    """
    hints = scenario(scene.known.scenario).hints
    given = sum(entry.what == "hint" for entry in scene.record.entries())
    if given >= len(hints):
        raise UsageError(f"there are no more than {len(hints)} hints; read them again: deployer drill check")
    scene.record.add("hint", number=given + 1)
    return given + 1, hints[given]


def hints_given(scene: Scene) -> tuple[str, ...]:
    """Those that were asked for, to be read again."""
    given = sum(entry.what == "hint" for entry in scene.record.entries())
    return scenario(scene.known.scenario).hints[:given]


def found(scene: Scene, cause: str) -> bool:
    """Note what the trainee holds to be the cause; whether it is.

    :raises UsageError: no such cause.
    """
    if cause not in CAUSES:
        raise UsageError(f"{cause!r} is not one of the causes; see: deployer drill found")
    right = cause == scenario(scene.known.scenario).cause
    scene.record.add("found", cause=cause, right=right)
    return right


def end(scene: Scene, *, look: bool = True) -> Score:
    """Look a last time, remove everything, and judge.

    :param look: ``False``: it was looked at just now.
    :raises UsageError: it never came to the break; it is removed all the same.
    """
    try:
        _need_broken(scene)
        if look:
            try:
                check(scene)
            except DeployerError as error:  # judged by the looks before it
                scene.record.add("proof", repaired=False, missing=[str(error)])
        return so_far(scene)
    finally:
        with deaf():
            scene.end()


def _need_broken(scene: Scene) -> None:
    if not any(entry.what == "broken" for entry in scene.record.entries()):
        raise UsageError(
            "this drill is still being set up, or that was left half-way; to remove it: deployer drill end"
        )


def so_far(scene: Scene) -> Score:
    """How it goes, as it stands."""
    record = scene.record
    return score(scene.known.scenario, record.entries(), record.users(), time.time())


# --- played by itself


@dataclass(frozen=True, slots=True)
class Typed:
    """A step as it ended."""

    step: Step
    command: str
    code: int
    seconds: float
    output: str


class Unexpected(DeployerError):
    """A step of an answer did not end as it should have."""


def play(scene: Scene, steps: tuple[Step, ...], say: Say) -> list[Typed]:
    """Type the steps as a trainee would, in the drill's own shell.

    :raises Unexpected: one did not end with a code of its own, with what it said.
    """
    done = []
    for step in steps:
        command = scene.shown(step.command)
        say(f"$ {command}    # {step.why}")
        typed = _patiently(scene, step, command)
        say(f"  → {typed.code}, {typed.seconds:.1f} s")
        if typed.code not in step.codes:
            raise Unexpected(f"{command} ended with {typed.code}, not {step.codes}: {typed.output[-1500:]}")
        done.append(typed)
    return done


def _patiently(scene: Scene, step: Step, command: str) -> Typed:
    deadline = time.monotonic() + step.patience_s
    while True:
        began = time.monotonic()
        ran = subprocess.run(
            ["sh", "-c", command], env=scene.environment(), cwd=scene.lab.project, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            timeout=COMMAND_S, check=False,
        )  # fmt: skip
        seconds = time.monotonic() - began
        if ran.returncode in step.codes or time.monotonic() > deadline:
            return Typed(step, command, ran.returncode, seconds, ran.stdout)
        time.sleep(AGAIN_EVERY_S)  # as a person who says it again


def auto(scene: Scene, say: Say) -> tuple[Scenario, Proof]:
    """Prove that it is broken, play the model answer, and prove that it is repaired.

    :raises Unexpected: it is not broken, or the answer does not go as written.
    """
    wanted = scenario(scene.known.scenario)
    before = check(scene)
    if before.repaired:
        raise Unexpected(f"{wanted.name} is not broken: nothing would have to be done")
    say(f"broken: {before.missing[0]}")
    play(scene, wanted.answer, say)
    return wanted, check(scene)
