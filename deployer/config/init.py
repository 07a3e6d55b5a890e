"""``deployer init``: an inventory and a playbook to start from."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from deployer.errors import UsageError

SAMPLES = {
    "production.yml": Path("inventories/production.yml"),
    "nginx.yml": Path("playbooks/nginx.yml"),
}
"""Files of the package, and where they go in a project."""


def write_samples(directory: Path) -> list[Path]:
    """Write the commented samples below ``directory``, which is made when it is not there.

    :returns: the files written.
    :raises UsageError: when one of them exists (then none is written), or cannot be written.
    """
    targets = {directory / place: sample(name) for name, place in SAMPLES.items()}
    for path in targets:
        if os.path.lexists(path):
            raise UsageError(f"{path} exists already and is left as it is; nothing was written")
    for path, text in targets.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    return list(targets)


def sample(name: str) -> str:
    """The text of a sample as it is packaged."""
    return files("deployer.config").joinpath("samples", name).read_text(encoding="utf-8")
