"""From what was typed to what is run: arguments made absolute, directories, and times to be patient for."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.config.locate import find_inventory, find_playbook
from deployer.errors import UsageError
from deployer.journal.location import default_path, place_of
from deployer.planning.context import cache_directory
from deployer.report.words import clean
from deployer.schedule.due import delay_s
from deployer.schedule.here import zone_here
from deployer.schedule.units import Order, unit_name

if TYPE_CHECKING:
    from deployer.planning.context import Context
    from deployer.schedule.calendar import Calendar

CARRIED = ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
RUN_S = 3600  #: what a run may take beside what the playbook's waves may
UNWIND_S = 300  #: what a run that is stopped has at least, to take hosts back


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What was typed of the schedule.

    :ivar user: who is to run it; ``None``: who asks, behind sudo the person who called it.
    :ivar unit: name of the units; ``None``: after the inventory.
    """

    inventory: str
    playbook: str | None
    ssh_config: Path | None
    limit: str | None
    lock_wait_s: float
    user: str | None = None
    unit: str | None = None
    environment_file: Path | None = None
    on_failure: str | None = None


def order_of(context: Context, typed: Typed, calendar: Calendar, lease: str) -> Order:
    """The order for a schedule of this inventory.

    :raises UsageError: for a user that is not there, a path that no unit can name, a password without a file.
    """
    person = _person(typed.user)
    ours = person.pw_uid == os.geteuid()
    state = _state(context, person, typed.environment_file, ours=ours)
    state_argv = ("--state", state) if state is not None and context.state is not None else ()
    file = place_of(state).file if state is not None else None
    cache = str(cache_directory().absolute()) if ours else f"{person.pw_dir}/.cache/deployer"
    program = _program()
    project = str(context.project.absolute())
    rules = context.playbook.rollout
    health = context.playbook.health
    patience_s = rules.confirm_within_s + health.deadline_s + health.bake_s
    argv = (*program, "deploy", *_arguments(context, typed, calendar), *state_argv)
    order = Order(
        name=typed.unit or unit_name(context.name),
        inventory=context.name,
        part=typed.limit or "",
        project=project,
        lease=lease,
        calendar=calendar.text,
        argv=argv,
        user=person.pw_name,
        home=person.pw_dir,
        writes=(*([str(file.parent)] if file is not None else ()), cache),
        state=state,
        reads=(program[0], *_where_we_are(), *([context.repo] if context.repo.startswith("/") else ())),
        environment={n: os.environ[n] for n in CARRIED if n in os.environ} if ours else {},
        environment_file=str(typed.environment_file.absolute()) if typed.environment_file else None,
        on_failure=typed.on_failure,
        delay_s=delay_s(calendar, time.time(), zone_here()),
        start_s=int(RUN_S + typed.lock_wait_s + patience_s * len(rules.waves)),
        stop_s=int(UNWIND_S + patience_s),
    )
    _sayable(order)
    return order


def watch_order(context: Context, typed: Typed, options: tuple[str, ...], textfile: Path | None) -> Order:
    """The order for a service that watches this inventory.

    :param options: of the watch alone, as they were typed.
    :param textfile: that it writes; its directory has to be there.
    :raises UsageError: as :func:`order_of`.
    """
    person = _person(typed.user)
    ours = person.pw_uid == os.geteuid()
    state = _state(context, person, typed.environment_file, ours=ours)
    state_argv = ("--state", state) if state is not None and context.state is not None else ()
    file = place_of(state).file if state is not None else None
    own = default_path().parent if ours else Path(person.pw_dir, ".local/state/deployer")
    cache = cache_directory().absolute() if ours else Path(person.pw_dir, ".cache/deployer")
    texts = (textfile.absolute(),) if textfile is not None else ()
    written = (own, *((file.parent,) if file is not None else ()), cache, *(path.parent for path in texts))
    text_argv = tuple(word for path in texts for word in ("--textfile", str(path)))
    program = _program()
    order = Order(
        name=typed.unit or unit_name(f"watch-{context.name}"),
        inventory=context.name,
        part=typed.limit or "",
        project=str(context.project.absolute()),
        lease="",
        calendar="",
        argv=(*program, "watch", *_named(context, typed), *options, *text_argv, *state_argv),
        user=person.pw_name,
        home=person.pw_dir,
        writes=tuple(dict.fromkeys(map(str, written))),
        reads=(program[0], *_where_we_are(), *([context.repo] if context.repo.startswith("/") else ())),
        environment={n: os.environ[n] for n in CARRIED if n in os.environ} if ours else {},
        environment_file=str(typed.environment_file.absolute()) if typed.environment_file else None,
    )
    _sayable(order)
    return order


def _arguments(context: Context, typed: Typed, calendar: Calendar) -> tuple[str, ...]:
    inventory, *more = _named(context, typed)
    return (
        inventory,
        *("--yes", "--unattended", "--recover"),
        *("--lock-wait", f"{typed.lock_wait_s:.0f}s"),
        *("--on-calendar", calendar.text),
        *more,
    )


def _named(context: Context, typed: Typed) -> tuple[str, ...]:
    # Names are looked up in the project; what was a path here need not be one from there.
    inventory, playbook = typed.inventory, typed.playbook
    if "/" in inventory:
        inventory = str(find_inventory(context.project, inventory).absolute())
    if playbook is not None and "/" in playbook:
        playbook = str(find_playbook(context.project, playbook).absolute())
    ssh = str(typed.ssh_config.absolute()) if typed.ssh_config is not None else None
    more = (("--playbook", playbook), ("--limit", typed.limit), ("--ssh-config", ssh))
    return (
        inventory,
        *("--project", str(context.project.absolute())),
        *(word for option, value in more if value is not None for word in (option, value)),
    )


def _person(user: str | None) -> pwd.struct_passwd:
    name = user or (os.environ.get("SUDO_USER") if os.geteuid() == 0 else None)
    try:
        return pwd.getpwnam(name) if name else pwd.getpwuid(os.geteuid())
    except KeyError:
        raise UsageError(f"--user: there is no user {name or os.geteuid()!r} on this machine") from None


def state_in(file: Path) -> str | None:
    """The journal that a run with these variables has; ``None``: they do not say, or are not ours to read.

    :raises UsageError: there is no such file, and no run would start with it.
    """
    try:
        return variables_in(file).get("DEPLOYER_STATE") or None
    except OSError:
        return None


def variables_in(file: Path) -> dict[str, str]:
    """What a file of ``NAME=value`` lines says.

    :raises UsageError: there is no such file, and no run would start with it.
    :raises OSError: it is not ours to read.
    """
    try:
        lines = file.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        raise UsageError(f"--environment-file: there is no {file}, and no run would start") from None
    pairs = [line.strip().partition("=") for line in lines if not line.lstrip().startswith(("#", ";"))]
    return {name: _unquoted(value.strip()) for name, equals, value in pairs if equals and name.isidentifier()}


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _state(
    context: Context, person: pwd.struct_passwd, environment_file: Path | None, *, ours: bool
) -> str | None:
    """URL of the journal of the runs; ``None``: it holds a password, and is in the environment file."""
    if context.state is None:
        return f"sqlite:///{default_path() if ours else f'{person.pw_dir}/.local/state/deployer/state.db'}"
    place = place_of(context.state)
    if place.file is not None:
        return f"sqlite:///{place.file}"
    if not place.has_password:
        return context.state
    if environment_file is None:
        raise UsageError(
            "the URL of the journal holds a password, which everybody could read in a unit or a crontab: put "
            "DEPLOYER_STATE=URL into a file that only root reads, and name it with --environment-file"
        )
    return None


def _program() -> tuple[str, ...]:
    called = shutil.which(sys.argv[0]) if Path(sys.argv[0]).name == "deployer" else None
    return (str(Path(called).absolute()),) if called else (sys.executable, "-m", "deployer")


def _where_we_are() -> tuple[str, ...]:
    """Where the program and its libraries are: in somebody's home, often."""
    return sys.prefix, str(Path(__file__).absolute().parents[2])


def _sayable(order: Order) -> None:
    """A line break would begin another setting, which is what somebody would name a directory for."""
    paths = (order.name, order.project, order.home, order.environment_file or "", order.on_failure or "")
    for text in (*paths, *order.argv, *order.writes, *order.environment.values()):
        if not text.isprintable():
            raise UsageError(f"{clean(text)!r} cannot be named in a unit: it holds what cannot be printed")
    if "/" in order.name or not order.name.strip() or order.name.startswith((".", "-")):
        raise UsageError(f"--unit: {order.name!r} is no name of a unit")
