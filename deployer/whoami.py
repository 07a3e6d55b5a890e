"""Whose home and name these are, also where the machine knows nothing of them: a container's bare uid."""

from __future__ import annotations

import os
from pathlib import Path

NOWHERE = "/nonexistent"  #: as Debian's nobody has it


def have_home() -> None:
    """See to it that there is a home to name: what cannot be read or written there is then told by its path.

    An empty or relative ``HOME`` counts for nothing.
    """
    if not os.environ.get("HOME", "").startswith("/"):
        os.environ.pop("HOME", None)
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = NOWHERE


def user_name() -> str:
    """The name of whoever runs this; ``uid1000`` for one without."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a uid without a passwd entry, as in containers
        return f"uid{os.getuid()}"
