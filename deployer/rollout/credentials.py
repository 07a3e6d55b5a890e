"""What ``compare.as`` refers to, read before anything is done: from the environment and from files.

It goes into the questions and nowhere else. That it is there, and can be one line of a request, is known
before a host is asked.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.comparison.asker import Asker
from deployer.config.references import REFERENCE, Referring, Unknown, value_of
from deployer.config.rehearse import Answers, RehearseMode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deployer.config.playbook import Playbook
    from deployer.config.yamlfile import Loc

MOST = 8000
"""Bytes of a header: no nginx takes more by default."""

_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")


def askers_of(playbook: Playbook, environment: Mapping[str, str] = os.environ) -> tuple[Asker, ...]:
    """As whom the hosts are asked besides; nobody where nothing is asked.

    :raises ConfigError: what a header refers to is not there, or can be no header. Values are not quoted.
    """
    if playbook.rehearse.mode is RehearseMode.OFF or playbook.rehearse.answers is Answers.OFF:
        return ()
    found = []
    for at, identity in enumerate(playbook.compare.as_):
        headers, secrets = [], []
        for name, text in identity.headers.items():
            try:
                value, hidden = _value(text, environment)
            except Unknown as error:
                from deployer.config.yamlfile import read_yaml

                loc: Loc = ("compare", "as", at, "headers", name)
                raise read_yaml(playbook.path).error(loc, str(error)) from None
            headers.append((name, value))
            secrets += hidden
        found.append(Asker(identity.name, tuple(headers), identity.only, tuple(secrets)))
    return tuple(found)


def _value(text: Referring, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    """What is sent, and what of it is secret. Raises :class:`Unknown`."""
    hidden: list[str] = []

    def known(match: re.Match[str]) -> str:
        if match["file"]:
            _private(text.base, match["file"])
        value = value_of(Referring(match[0], text.base), environment)
        if not _VALUE.fullmatch(value):
            what = f"the file {match['file']}" if match["file"] else f"the variable {match['name']}"
            raise Unknown(f"{what} has to hold one line of plain ASCII: anything else is no header")
        hidden.append(value)
        return value

    value = REFERENCE.sub(known, text.text)
    if not _VALUE.fullmatch(value):
        raise Unknown("has to be one line of plain ASCII: anything else is no header")
    if len(value) > MOST:
        raise Unknown(f"has {len(value)} characters, and no server takes more than {MOST}")
    return value, hidden


def _private(base: Path, name: str) -> None:
    """A secret that everybody on this machine can read is none."""
    try:
        mode = (base.absolute() / Path(name).expanduser()).stat().st_mode
    except OSError:
        return  # whoever reads it says why
    if stat.S_ISREG(mode) and mode & 0o004:
        raise Unknown(
            f"the file {name} can be read by everybody on this machine (mode {mode & 0o777:04o}): chmod o= it"
        )
