"""What may be written as ``source.repo`` and ``--rev``: checked before git sees a byte of it.

Git runs commands on behalf of some addresses (``ext::``, a host that begins with ``-``) and takes a ref that
begins with ``-`` for an option, so what is not plainly an address or a name is refused here.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from deployer.errors import UsageError

TRANSPORTS = ("file", "git", "http", "https", "ssh")
"""What git may speak here; also given to git itself (``GIT_ALLOW_PROTOCOL``), which sees rewritten URLs."""

_SCP = re.compile(r"(?:(?P<user>[^/@:]+)@)?(?P<host>\[[^\]/]+\]|[^/:@\[\]]+):(?P<path>.+)", re.DOTALL)
_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")
# To the last @, over slashes too: rather too much of an odd URL is hidden than half a password shown.
_CREDENTIALS = re.compile(r"([a-z][a-z0-9+.-]*)://([^\s'\"]*)@", re.IGNORECASE)
_QUERY = re.compile(r"(://[^\s'\"?]+)\?[^\s'\"]*")
_REF_REFUSED = re.compile(r"[\x00-\x20\x7f:?*\[\\]|\.\.|@\{|^-|^$")


@dataclass(frozen=True, slots=True)
class RepoUrl:
    """An address git may fetch from.

    :ivar plain: without credentials, so it may stand in an argv and on disk.
    :ivar shown: for messages.
    :ivar password: given to git through the environment only; ``None`` with ``username`` ``None``.
    :ivar ssh: whether ssh carries it.
    """

    plain: str
    shown: str
    ssh: bool = False
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


def parse_url(text: str) -> RepoUrl:
    """Read ``source.repo``. A local path becomes absolute (from the working directory, ``~`` expanded).

    :raises UsageError: for what git would take for an option or a command, and for unknown transports.
    """
    if not text or any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise UsageError("source.repo is empty or holds a control character: give a URL or a path")
    if text.startswith("-"):
        raise UsageError(f"source.repo {mask(text)!r} begins with '-', which git would take for an option")
    if "://" in text:
        return _with_scheme(text)
    if _HELPER.match(text):
        raise UsageError(f"source.repo {mask(text)!r}: remote helpers (name::address) are not allowed")
    if scp := _SCP.fullmatch(text):
        if scp["host"].startswith("-") or (scp["user"] or "").startswith("-") or scp["path"].startswith("-"):
            raise UsageError(f"source.repo {text!r}: no part of it may begin with '-'")
        return RepoUrl(text, text, ssh=True)
    path = os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 (keeps symlinks as they are)
    return RepoUrl(path, path)


def _with_scheme(text: str) -> RepoUrl:
    scheme = text.split("://", 1)[0].lower()
    if scheme not in TRANSPORTS:
        raise UsageError(
            f"source.repo {mask(text)!r}: transport {scheme!r} is not allowed; "
            f"use a path or {', '.join(TRANSPORTS)}"
        )
    if scheme == "file":
        return RepoUrl(text, text)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageError(
            f"source.repo {mask(text)!r} is not a URL that git can read; "
            "in a password, write / @ : as %2F %40 %3A"
        ) from None
    login, _, _ = parts.netloc.rpartition("@")
    if not host or host.startswith("-") or login.startswith("-"):
        raise UsageError(f"source.repo {mask(text)!r} names no host, or one that begins with '-'")
    if not login or (scheme == "ssh" and ":" not in login):
        return RepoUrl(text, mask(text), ssh=scheme == "ssh")
    if scheme in ("ssh", "git"):
        raise UsageError(f"source.repo {mask(text)!r}: {scheme} takes no password in the URL; use a key")
    user, _, password = login.partition(":")
    plain = text.replace(f"{login}@", "", 1)
    return RepoUrl(plain, mask(plain), username=unquote(user), password=unquote(password))


def mask(text: str) -> str:
    """Hide credentials in every URL of a text: all before ``@`` but a bare ssh user, and the query."""

    def login(match: re.Match[str]) -> str:
        bare_ssh_user = match[1].lower() == "ssh" and ":" not in match[2]
        return match[0] if bare_ssh_user else f"{match[1]}://***@"

    return _QUERY.sub(r"\1?***", _CREDENTIALS.sub(login, text))


def check_ref(ref: str) -> None:
    """Refuse what is no branch, tag, commit id or expression like ``main~1``.

    :raises UsageError: for options, ranges, ``@{…}``, ``commit:path``, blanks and control characters.
    """
    if _REF_REFUSED.search(ref):
        raise UsageError(f"revision {ref!r} is not a branch, a tag, a commit id or an expression like main~1")
