"""Where the journal is: the default place, what ``--state`` may say, and a private file to open."""

from __future__ import annotations

import os
from pathlib import Path

from deployer.errors import StoreUnavailable, UsageError


def default_path() -> Path:
    """``$XDG_STATE_HOME/deployer/state.db``; a relative XDG_STATE_HOME counts for nothing."""
    home = os.environ.get("XDG_STATE_HOME", "")
    base = Path(home) if home.startswith("/") else Path.home() / ".local" / "state"
    return base / "deployer" / "state.db"


def path_of(url: str | None) -> Path:
    """The SQLite file that a ``--state`` URL names; ``None`` is the default place.

    :raises UsageError: for what is no SQLAlchemy URL of an SQLite file. The URL itself is not repeated whole:
        it may hold a password.
    """
    if url is None:
        return default_path().absolute()
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise UsageError("--state wants a URL such as sqlite:////var/lib/deployer/state.db, not a bare path")
    if scheme not in {"sqlite", "sqlite+pysqlite"}:
        raise UsageError(f"--state: no journal in {scheme!r}; use sqlite:////ABSOLUTE/PATH")
    file, _, query = rest.removeprefix("/").partition("?")
    if not rest.startswith("/") or not file or file == ":memory:" or query:
        raise UsageError(
            "--state: write sqlite:////ABSOLUTE/PATH or sqlite:///RELATIVE/PATH, nothing after it"
        )
    return Path(file).absolute()


def make_private(path: Path) -> None:
    """Create the file 0600, and the directories that are missing 0700. What exists keeps its mode.

    :raises StoreUnavailable: when that cannot be done.
    """
    try:
        missing = [p for p in path.parents if not p.exists()]
        for directory in reversed(missing):
            directory.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnavailable(
            f"the journal {path} cannot be opened for writing: {error.strerror or error}; "
            "make room or mend its permissions, or name another with --state"
        ) from error
