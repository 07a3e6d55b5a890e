"""From what was typed to what a command works with: files read, warnings shown, the journal opened."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from deployer.cli import structured
from deployer.cli.common import files_told
from deployer.errors import UsageError
from deployer.shortage import have_means, make_do

if TYPE_CHECKING:
    from deployer.cli.common import Common
    from deployer.journal.store import Journal, Store
    from deployer.planning.context import Context
    from deployer.planning.propose import Source


def load(inventory: str, common: Common, *, emergency: bool = False) -> Context:
    """Find and read inventory and playbook.

    :param emergency: where this machine gives too little, go on with what there is.
    :raises UsageError: with file, line and key of what is wrong.
    :raises Refused: this machine does not give what a command on so many hosts needs.
    """
    logging_to_stderr(common.verbose, common.quiet)
    structured.begin(common.log, quiet=common.quiet)
    with files_told():
        context = _read(inventory, common)
    if emergency:
        at_once = make_do(len(context.hosts), logging.getLogger("deployer").warning)
        return replace(context, ssh=replace(context.ssh, at_once=at_once))
    have_means(len(context.hosts))
    return context


def _read(inventory: str, common: Common) -> Context:
    from deployer.config.inventory import find_inventory, load_inventory
    from deployer.config.playbook import find_playbook, load_playbook
    from deployer.host.ssh import SshOptions
    from deployer.planning.context import Context

    _password_is_seen(common.state)
    if common.ssh_config is not None and not common.ssh_config.is_file():
        raise UsageError(f"there is no ssh configuration {common.ssh_config}; see --ssh-config")
    found = load_inventory(find_inventory(common.project, inventory))
    book = load_playbook(find_playbook(common.project, common.playbook), common.project)
    if (log := structured.current()) is not None:
        log.inventory = found.name
    return Context(
        project=common.project,
        name=found.name,
        inventory=found,
        hosts=found.limit(common.limit).hosts,
        playbook=book,
        ssh=SshOptions(config_file=common.ssh_config),
        state=common.state,
    )


def _password_is_seen(state: str | None) -> None:
    """Warn of a password that everybody on this machine can read, for as long as this runs."""
    from deployer.journal.location import place_of

    if state and any(state in word for word in sys.argv) and place_of(state).has_password:
        logging.getLogger("deployer").warning(
            "whoever may list processes here sees the password in --state: "
            "give the URL in DEPLOYER_STATE, or the password in ~/.pgpass"
        )


@contextmanager
def dialling(context: Context, parallel: int) -> Iterator[None]:
    """Connect to the hosts while what is needed for the rest is still being loaded."""
    if context.ssh.at_once is not None:
        yield  # what is needed for the rest may be all that this machine has
        return
    from deployer.host.ahead import begun

    with begun(context.hosts, context.ssh, parallel=parallel):
        yield


@contextmanager
def ahead(context: Context, revision: str | None, *, now: bool) -> Iterator[Source | None]:
    """Connect to the hosts and resolve the revision while what is needed for the rest is still being loaded.

    :param now: not when nobody knows how long it takes until either is needed.
    """
    if not now:
        yield None
        return
    with dialling(context, context.playbook.rollout.parallel):
        from deployer.planning.propose import resolving

        with resolving(context, revision) as source:
            yield source


@contextmanager
def journal_of(context: Context) -> Iterator[Store]:
    """The journal, being opened while the hosts are asked; closed at the end."""
    from deployer.journal.store import Store

    store = Store.open_in_background(context.state)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def emergency_journal(context: Context, warn: Callable[[str], None]) -> Iterator[Journal]:
    """The journal if it can be had: a rollback does not wait for it."""
    from deployer.journal.store import Store

    store = Store.best_effort(context.state, warn)
    try:
        yield store
    finally:
        store.close()


def logging_to_stderr(verbose: int, quiet: bool) -> None:
    """Warnings of the libraries and of deployer itself go to stderr, one line each."""
    level = logging.DEBUG if verbose > 1 else logging.INFO if verbose else logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("deployer: %(message)s"))
    logger = logging.getLogger("deployer")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.ERROR if quiet else level)
    logger.propagate = False
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # every failure is told by an exception


def not_empty(option: str, text: str | None) -> None:
    """An empty text is a script's unset variable, and does not mean the default.

    :raises UsageError: naming the option.
    """
    if text is not None and not text.strip():
        raise UsageError(f"{option} is empty; leave it out, or say what is meant")


def seconds(option: str, text: str) -> float:
    """``90``, ``90s`` or ``10m``, typed after an option, in seconds.

    :raises UsageError: naming the option.
    """
    from deployer.config.terms import duration

    try:
        return duration(f"{text}s" if text.isdecimal() else text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def need_yes(yes: bool, what: str) -> None:
    """Without a terminal nobody can be asked.

    :raises UsageError: then ``--yes`` is needed.
    """
    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{what} asks before it changes anything, and there is no terminal: say --yes")
