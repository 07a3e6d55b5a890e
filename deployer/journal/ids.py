"""Names: of a deployment, and of the person who asked for it."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable

from deployer.whoami import user_name

ALPHABET = "abcdefghjkmnpqrstvwxyz23456789"  # nothing that is read or typed as something else


def new_deployment_id(clock: Callable[[], float] = time.time) -> str:
    """A deployment id such as ``20240612-141500-x7f3``: UTC time, so that ids sort, and four random signs.

    It matches the ``[0-9a-z-]{1,40}`` that the agent on the hosts asks for.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(clock()))
    return f"{stamp}-{''.join(secrets.choice(ALPHABET) for _ in range(4))}"


def who() -> str:
    """``user@host`` of whoever runs this command; behind sudo, the person who called it."""
    name = os.environ.get("SUDO_USER") or user_name()
    return f"{name}@{socket.gethostname()}"
