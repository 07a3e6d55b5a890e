"""Where the journal is: the default place, what ``--state`` may say, and a private file to open."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from deployer.errors import StoreUnavailable, StoreUnusable, UsageError

SQLITE = {"sqlite", "sqlite+pysqlite"}
POSTGRESQL = {"postgresql", "postgresql+psycopg", "postgres"}
EXTRA = "pip install '.[postgresql]' in deployer's checkout"

# As SQLAlchemy reads it, but for an @ in the password: which of two @ ends it nobody should have to guess.
_SERVER = re.compile(
    r"(?:(?P<user>[^:/@?]*)(?::(?P<password>[^@]*))?@)?"
    r"(?P<host>\[[^\]/?@]+\]|[^/:?@\[\]]*)(?::(?P<port>[0-9]*))?"
    r"(?:/(?P<name>[^/?@]*))?(?:\?(?P<query>[^@]*))?"
)
_QUERY_PASSWORD = re.compile(r"(?:^|&)(?:ssl)?password=[^&]")


@dataclass(frozen=True)
class Place:
    """Where a journal is: a file, or a database on a server.

    :ivar shown: as messages name it, without a password.
    :ivar file: the SQLite file, absolute; ``None`` on a server.
    :ivar url: of the server, for SQLAlchemy; it may hold a password.
    :ivar has_password: whether it does.
    """

    shown: str
    file: Path | None = None
    url: str | None = field(default=None, repr=False)
    has_password: bool = False

    def need_driver(self) -> None:
        """Look, without loading it, whether the driver of a server is installed.

        :raises StoreUnusable: when it is not.
        """
        if self.url is not None and find_spec("psycopg") is None:
            raise no_driver(self.shown)


def no_driver(shown: str, why: str = "") -> StoreUnusable:
    """What to say without a driver for PostgreSQL."""
    more = f" ({why})" if why else ""
    return StoreUnusable(
        f"the journal {shown} needs the PostgreSQL driver psycopg, which is not there{more}: {EXTRA}"
    )


def default_path() -> Path:
    """``$XDG_STATE_HOME/deployer/state.db``; a relative XDG_STATE_HOME counts for nothing."""
    home = os.environ.get("XDG_STATE_HOME", "")
    base = Path(home) if home.startswith("/") else Path.home() / ".local" / "state"
    return base / "deployer" / "state.db"


def place_of(url: str | None) -> Place:
    """What a ``--state`` URL names; ``None`` is the default place.

    :raises UsageError: for what is no SQLAlchemy URL of a database for a journal. The URL itself is not
        repeated: it may hold a password.
    """
    if url is None:
        return _file(default_path())
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise UsageError("--state wants a URL such as sqlite:////var/lib/deployer/state.db, not a bare path")
    if scheme in SQLITE:
        return _sqlite(rest)
    if scheme in POSTGRESQL:
        return _postgresql(rest)
    raise UsageError(
        f"--state: no journal in {scheme!r}; use sqlite:////ABSOLUTE/PATH or postgresql://USER@HOST/DATABASE"
    )


def _file(path: Path) -> Place:
    return Place(shown=str(path.absolute()), file=path.absolute())


def _sqlite(rest: str) -> Place:
    file, _, query = rest.removeprefix("/").partition("?")
    if not rest.startswith("/") or not file or file == ":memory:" or query:
        raise UsageError(
            "--state: write sqlite:////ABSOLUTE/PATH or sqlite:///RELATIVE/PATH, nothing after it"
        )
    return _file(Path(file))


def _postgresql(rest: str) -> Place:
    parts = _SERVER.fullmatch(rest)
    if parts is None or not rest.isprintable():
        raise UsageError(
            "--state: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE; in a password @ is %40, % is %25"
        )
    user = f"{parts['user']}@" if parts["user"] else ""
    port = f":{parts['port']}" if parts["port"] else ""
    return Place(
        shown=f"postgresql://{user}{parts['host']}{port}/{parts['name'] or ''}",
        url=f"postgresql+psycopg://{rest}",
        has_password=bool(parts["password"] or _QUERY_PASSWORD.search(parts["query"] or "")),
    )


def make_private(path: Path) -> None:
    """Create the file 0600, and the directories that are missing 0700.

    What exists keeps its mode, but for the program's own directory: that is nobody else's to look into.

    :raises StoreUnavailable: when that cannot be done.
    """
    try:
        missing = [p for p in path.parents if not p.exists()]
        for directory in reversed(missing):
            directory.mkdir(mode=0o700, exist_ok=True)
        if path == default_path() and path.parent.stat().st_mode & 0o077:
            path.parent.chmod(0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnavailable(
            f"the journal {path} cannot be opened for writing: {error.strerror or error}; "
            "make room or mend its permissions, or name another with --state"
        ) from error
