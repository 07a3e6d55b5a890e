"""A PostgreSQL server of the tests' own: on the loopback, without fsync, ended with whoever started it."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from deployer.lab.proc import Process

WITHIN_S = 30.0
PASSWORD = "p4ss:w/rd"  # noqa: S105 (signs that a URL has its own meaning for)
QUOTED = "p4ss:w%2Frd"
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "8MB",
    "max_connections": "60",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}


class Server:
    """A running server, in a directory that goes with it.

    :ivar directory: of the unix socket, which lets everybody in; the loopback asks for a password.
    """

    def __init__(self) -> None:
        # Not below pytest's own directories: those are closed to the user whom the server runs as.
        self.directory = Path(tempfile.mkdtemp(prefix="deployer-pg-", dir="/tmp"))
        self.port = _free_port()
        self._as = _unprivileged(self.directory)
        self._postmaster: subprocess.Popen[bytes] | None = None
        self._count = itertools.count()

    def __enter__(self) -> Self:
        try:
            self._make()
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    # --- databases

    def database(self, *options: str) -> str:
        """Make an empty database; its name."""
        name = f"journal{next(self._count)}"
        self.ask(f"CREATE DATABASE {name} OWNER deployer {' '.join(options)}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def url(self, name: str, *, user: str = "deployer", password: str | None = QUOTED) -> str:
        """What ``--state`` names it by."""
        secret = "" if password is None else f":{password}"
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{name}"

    def ask(self, statement: str, *values: object, database: str = "postgres") -> list[tuple[object, ...]]:
        """Say something as the superuser; what it answers."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection as the superuser; each statement is a transaction of its own."""
        return psycopg.connect(
            host=str(self.directory), port=self.port, user="admin", dbname=database, autocommit=True
        )

    def sessions(self, name: str) -> list[int]:
        """The pids of who is connected to a database."""
        found = self.ask("SELECT pid FROM pg_stat_activity WHERE datname = %s", name)
        return [int(str(pid)) for (pid,) in found]

    def disconnect(self, name: str) -> int:
        """Cut every connection to a database; how many there were."""
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        return len(self.ask(cut, name))

    # --- the server

    def start(self) -> None:
        """Start it, and wait until it lets somebody in."""
        settings = [word for item in SETTINGS.items() for word in ("-c", "=".join(item))]
        place = ("-D", self.directory / "data", "-k", self.directory, "-p", str(self.port))
        with (self.directory / "log").open("ab") as log:
            self._postmaster = subprocess.Popen(
                [*self._as, _program("postgres"), *place, *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + WITHIN_S
        while True:
            try:
                return self.connect().close()
            except psycopg.OperationalError:
                assert self._postmaster.poll() is None, (self.directory / "log").read_text()
                assert time.monotonic() < deadline, (self.directory / "log").read_text()
                time.sleep(0.02)

    def stop(self) -> None:
        """End it in good order: whoever is connected is told."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End it as a power cut does, every process of it."""
        everybody = self._processes()
        for process in everybody:
            process.signal(signal.SIGKILL)
        assert self._postmaster is not None
        self._postmaster.wait(WITHIN_S)
        for process in everybody:
            assert process.kill(timeout_s=WITHIN_S)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """While this lasts, nothing of it moves: connections stay open, and are never answered."""
        everybody = self._processes()
        for process in everybody:
            process.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in everybody:
                process.signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._postmaster is not None
        self._postmaster.send_signal(number)
        self._postmaster.wait(WITHIN_S)

    def _processes(self) -> list[Process]:
        assert self._postmaster is not None
        top = self._postmaster.pid
        below = Path(f"/proc/{top}/task/{top}/children").read_text().split()
        return [found for pid in (top, *map(int, below)) if (found := Process.of(pid)) is not None]

    def _make(self) -> None:
        options = ("--auth-local=trust", "--auth-host=scram-sha-256", "--username=admin", "--no-sync")
        where = ("-D", self.directory / "data", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions")
        subprocess.run(
            [*self._as, _program("initdb"), *options, *where],
            check=True,
            capture_output=True,
            timeout=WITHIN_S,
            cwd="/",
        )

    def _end(self) -> None:
        if self._postmaster is not None and self._postmaster.poll() is None:
            self._signal(signal.SIGQUIT)
        shutil.rmtree(self.directory)


@contextmanager
def server() -> Iterator[Server]:
    """A server with the user ``deployer``, whose password is :data:`PASSWORD`."""
    with Server() as made:
        made.ask(f"CREATE ROLE deployer LOGIN PASSWORD '{PASSWORD}'")
        yield made


@contextmanager
def silence() -> Iterator[int]:
    """A port of the loopback on which not even the first packet is answered, as behind a firewall."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        waiting = []
        try:
            for _ in range(4):  # more than its queue holds: the kernel drops what comes after
                one = socket.socket()
                one.setblocking(False)
                waiting.append(one)
                one.connect_ex(("127.0.0.1", port))
            yield port
        finally:
            for one in waiting:
                one.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged(directory: Path) -> tuple[str, ...]:
    """What to put before a command, for the server refuses to run as root. Ends it with this process."""
    with_us = ("setpriv", "--pdeathsig", "QUIT")
    if os.geteuid() != 0:
        return with_us
    user = pwd.getpwnam("postgres")
    os.chown(directory, user.pw_uid, user.pw_gid)
    return (*with_us, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")


def _program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    where = str(found[-1]) if found else shutil.which(name)
    assert where, f"there is no {name}: install the package postgresql, as script/test does"
    return where
