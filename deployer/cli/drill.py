"""``deployer drill``: something breaks on a lab fleet under load, and is repaired against the clock."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployer.cli.streams import err, tell
from deployer.cli.typed import Command, Group

if TYPE_CHECKING:
    from deployer.drill.scene import Scene
    from deployer.drill.score import Score

drill = typer.Typer(
    cls=Group,
    help="Break a lab fleet under load, and repair it against the clock of 12 June.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Directory = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        envvar="DEPLOYER_DRILL_DIR",
        help="Where the drill is kept.",
        show_default="XDG_STATE_HOME/deployer/lab/drill",
    ),
]
Json = Annotated[bool, typer.Option("--json", envvar="DEPLOYER_JSON", help="One JSON document on stdout.")]
NOT_REPAIRED = 6


@drill.command("list", cls=Command)
def list_() -> None:
    """List the scenarios."""
    from deployer.drill.telling import catalogue

    tell(catalogue())


@drill.command(cls=Command)
def start(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Which one; see drill list.")],
    *,
    auto: Annotated[
        bool,
        typer.Option("--auto", envvar="DEPLOYER_AUTO", help="Play the model answer and end it."),
    ] = False,
    directory: Directory = None,
    json: Json = False,
) -> None:
    """Make a fleet of its own, put users on it, break it, and open a shell to repair it in.

    Without a terminal it only prints what to set.
    """
    from deployer.cli.common import errors_told
    from deployer.drill import play
    from deployer.drill.scenarios import scenario as named
    from deployer.drill.scene import directory_of
    from deployer.drill.telling import briefing

    with errors_told(json):
        wanted = named(scenario)
        scene = play.start(wanted.name, directory_of(directory), lambda line: err(f"{line}\n"))
        if auto:
            return _auto(scene, json=json)
    if json:
        return _document(
            {"scenario": wanted.name, "story": wanted.story, "shell": f"{scene.directory}/shell"}
        )
    tell(briefing(wanted))
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _shell(scene)
    tell("")
    tell(f"In your shell, as root:  . {scene.directory}/shell")
    return None


@drill.command(cls=Command)
def shell(directory: Directory = None) -> None:
    """Open (another) shell in the drill: its project, its journal, its ssh configuration, its clock."""
    from deployer.errors import UsageError

    scene = _scene(directory)
    if not sys.stdin.isatty():
        raise UsageError(f"there is no terminal; in a shell of yours: . {scene.directory}/shell")
    _shell(scene)


@drill.command(cls=Command)
def hint(directory: Directory = None) -> None:
    """Give the next hint. Each costs points."""
    from deployer.drill import play
    from deployer.drill.score import HINT

    number, text = play.hint(_scene(directory))
    tell(f"Hint {number} (-{HINT} points): {text}")


@drill.command(cls=Command)
def found(
    cause: Annotated[str | None, typer.Argument(metavar="CAUSE", help="One of those it lists.")] = None,
    *,
    directory: Directory = None,
) -> None:
    """Name the cause; without one, list what can be named. A wrong one costs points and ends with 6."""
    from deployer.drill import play
    from deployer.drill.score import WRONG
    from deployer.drill.telling import causes

    if cause is None:
        return tell(causes())
    if not play.found(_scene(directory), cause):
        tell(f"No, that is not it (-{WRONG} points).")
        raise typer.Exit(NOT_REPAIRED)
    return tell("Yes, that is the cause.")


@drill.command(cls=Command)
def check(directory: Directory = None, *, json: Json = False) -> None:
    """Look whether the fleet is repaired, and what users meet. Exit 6 while it is not.

    Hints that were given are shown again.
    """
    from deployer.cli.common import errors_told
    from deployer.drill import play
    from deployer.drill.telling import clock

    with errors_told(json):
        scene = _scene(directory)
        proof = play.check(scene)
        score = play.so_far(scene)
    if json:
        _document(score.as_json() | {"exit_code": 0 if proof.repaired else NOT_REPAIRED})
    else:
        for number, text in enumerate(play.hints_given(scene), 1):
            tell(f"Hint {number}: {text}")
        for what in proof.missing:
            tell(f"not yet: {what}")
        users = score.users
        tell(f"{users.failed} of {users.total} requests failed, in {users.bad_seconds} seconds")
        if proof.repaired:
            tell(f"REPAIRED {clock(score.recovered_s)} after it broke. The score: deployer drill end")
    raise typer.Exit(0 if proof.repaired else NOT_REPAIRED)


@drill.command(cls=Command)
def end(directory: Directory = None, *, json: Json = False) -> None:
    """Look a last time, remove the fleet with everything of the drill, and show the score.

    Exit 6 when it was not repaired.
    """
    from deployer.cli.common import errors_told
    from deployer.drill import play

    with errors_told(json):
        score = play.end(_scene(directory))
    _show(score, json=json)


def _scene(directory: Path | None) -> Scene:
    from deployer.drill.scene import Scene, directory_of

    return Scene.load(directory_of(directory))


def _auto(scene: Scene, *, json: bool) -> None:
    from deployer.drill import play
    from deployer.lab.signals import interrupted_once

    with interrupted_once():
        try:
            play.auto(scene, lambda line: err(f"{line}\n"))
        except BaseException:
            play.end(scene, look=False)
            raise
    _show(play.end(scene, look=False), json=json)


def _show(score: Score, *, json: bool) -> None:
    from deployer.drill.telling import score_sheet

    code = 0 if score.won else NOT_REPAIRED
    if json:
        _document(score.as_json() | {"exit_code": code})
    else:
        tell(score_sheet(score))
    raise typer.Exit(code)


def _document(document: dict[str, object]) -> None:
    from json import dumps

    tell(dumps(document, indent=2, ensure_ascii=False))


def _shell(scene: Scene) -> None:
    """A shell of the trainee's; Ctrl-C is for what runs in it, and the drill goes on when it is left."""
    from shutil import which

    argv = (
        ["bash", "--noprofile", "--rcfile", f"{scene.directory}/shell", "-i"]
        if which("bash")
        else ["sh", "-i"]
    )
    env = {**scene.environment(), "ENV": f"{scene.directory}/shell"}
    before = signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN: the shell would inherit that
    try:
        subprocess.run(argv, env=env, cwd=scene.lab.project, check=False)
    finally:
        signal.signal(signal.SIGINT, before)
    if scene.directory.is_dir():
        err("The drill goes on. Back into it: deployer drill shell. Its end: deployer drill end\n")
