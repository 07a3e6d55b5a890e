"""Authentication by public key: files, certificates and the ssh-agent. Never a password, never a prompt.

Imported only when a connection is made: it needs paramiko.
"""

from __future__ import annotations

import copy
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from paramiko import PKey, SSHException, Transport
from paramiko.agent import AgentKey, AgentSSH
from paramiko.pkey import PublicBlob, UnknownKeyType
from paramiko.ssh_exception import AuthenticationException, BadAuthenticationType, PasswordRequiredException

from deployer.errors import Unreachable
from deployer.host.deadline import Deadline
from deployer.host.ssh_config import DEFAULT_KEYS, Route

AGENT_TIMEOUT_S = 10.0
"""For one answer of the ssh-agent; one that waits for a person's touch or yes is given up."""


@dataclass(frozen=True)
class Candidate:
    """A key to try, and how it is called in a sentence."""

    label: str
    key: PKey


class Login:
    """One login. An auth strategy in paramiko's sense: only :meth:`authenticate` is called."""

    def __init__(self, route: Route, deadline: Deadline) -> None:
        self.round_trip_s = (
            0.0  #: half of what the last key took: a request for the service, one to be let in
        )
        self._route, self._deadline = route, deadline
        self._agent: _KeyAgent | None = None
        self._tried: list[str] = []
        self._notes: list[str] = []

    def authenticate(self, transport: Transport) -> None:
        """Try key after key. Raises :class:`Unreachable` with a sentence when none is taken."""
        try:
            for candidate in self._candidates():
                if self._accepted(transport, candidate):
                    return
                if not transport.is_active() or self._deadline.passed:
                    break
        finally:
            if self._agent:
                self._agent.close()
        raise Unreachable(self._sentence(transport), host=self._route.name)

    def _accepted(self, transport: Transport, candidate: Candidate) -> bool:
        transport.auth_timeout = max(0.05, self._deadline.left)
        begun = time.monotonic()
        try:
            wanted_too = transport.auth_publickey(self._route.user, candidate.key)
            self.round_trip_s = (time.monotonic() - begun) / 2
        except BadAuthenticationType as error:
            self._notes.append(f"the host only takes {', '.join(error.allowed_types)}")
        except (AuthenticationException, SSHException, OSError, EOFError):
            self._tried.append(candidate.label)
        else:
            if not wanted_too:
                return True
            self._notes.append(f"the host also wants {', '.join(wanted_too)} after {candidate.label}")
        return False

    def _sentence(self, transport: Transport) -> str:
        route, notes = self._route, list(dict.fromkeys(self._notes))
        if self._deadline.passed:
            return (
                f"{route.where} did not finish the login of {route.user} within {self._deadline.seconds:g} s"
            )
        if not transport.is_active():
            notes.append(
                "the host ended the login; too many keys? IdentitiesOnly yes in the ssh config helps"
            )
        tried = f"tried {', '.join(self._tried)}" if self._tried else "there was no key to try"
        text = f"{route.where} does not let {route.user} in ({'; '.join([tried, *notes])})"
        return text + "; check the user and its authorized_keys"

    def _candidates(self) -> Iterator[Candidate]:
        route = self._route
        seen: set[bytes] = set()
        for candidate in self._named(route.identity_files):
            seen.add(candidate.key.asbytes())
            yield candidate
        if not route.identities_only:
            for key in self._agent_keys():
                if key.asbytes() not in seen:
                    seen.add(key.asbytes())
                    yield Candidate(_agent_label(key), key)
        if route.default_identities:
            defaults = [Path(p).expanduser() for p in DEFAULT_KEYS]
            for candidate in self._named(tuple(p for p in defaults if p.exists())):
                if candidate.key.asbytes() not in seen:
                    yield candidate

    def _named(self, files: tuple[Path, ...]) -> Iterator[Candidate]:
        for file in files:
            loaded = load(file, _stamp(file))
            if isinstance(loaded, PKey):
                yield from self._with_certificates(file, loaded)
                continue
            keys = self._in_agent(file)
            if not keys:
                self._notes.append(loaded)
            for key in keys:
                yield Candidate(f"{file} (ssh-agent)", key)

    def _with_certificates(self, file: Path, key: PKey) -> Iterator[Candidate]:
        own = file.with_name(file.name + "-cert.pub")
        for path in dict.fromkeys((*self._route.certificate_files, own)):
            signed = _certified(key, path)
            if signed:
                yield Candidate(f"{file} with {path.name}", signed)
        yield Candidate(str(file), key)

    def _in_agent(self, file: Path) -> list[AgentKey]:
        """The ssh-agent's keys whose public half lies beside an unreadable private one, or is the file."""
        blobs = {b for p in (file.with_name(file.name + ".pub"), file) if (b := _public(p))}
        return [key for key in self._agent_keys() if key.asbytes() in blobs] if blobs else []

    def _agent_keys(self) -> tuple[AgentKey, ...]:
        if self._agent is None:
            self._agent = _KeyAgent(self._route.identity_agent)
            self._notes += self._agent.notes
        return self._agent.get_keys()


class _KeyAgent(AgentSSH):
    """The ssh-agent at a path (paramiko's only knows the environment's), with a timeout."""

    def __init__(self, path: str | None) -> None:
        super().__init__()
        self.notes: list[str] = []
        if not path:
            return
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(AGENT_TIMEOUT_S)
            sock.connect(path)
            self._connect(sock)  # type: ignore[attr-defined]
            key: Any
            for key in self.get_keys():
                if key.inner_key is None:
                    # A certificate: paramiko asks for this attribute and would find none.
                    key.public_blob = PublicBlob(key.get_name(), key.blob)
        except (OSError, SSHException) as error:
            sock.close()
            self.notes.append(f"the ssh-agent at {path} does not answer ({error})")

    def close(self) -> None:
        """End the connection to the ssh-agent."""
        self._close()  # type: ignore[attr-defined]


@lru_cache(maxsize=64)
def load(file: Path, _stamp: int) -> PKey | str:
    """The private key of a file, or half a sentence that says why it is none. Read once for a whole fleet."""
    try:
        key = PKey.from_path(file)
    except FileNotFoundError:
        return f"{file} does not exist"
    except (TypeError, PasswordRequiredException):
        return f"{file} is encrypted and its key is not in the ssh-agent (ssh-add)"
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}"
    except (ValueError, SSHException, UnknownKeyType):
        return f"{file} is not a private key of a known type"
    key.public_blob = None  # a certificate beside it is tried as a candidate of its own
    return key


def _stamp(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _certified(key: PKey, certificate: Path) -> PKey | None:
    try:
        blob = PublicBlob.from_file(str(certificate))
        # A key class reads a certificate of its own type and keeps only the public key in it.
        read: Any = type(key)
        if not blob.key_type.startswith(key.get_name()):
            return None
        if read(data=blob.key_blob).asbytes() != key.asbytes():
            return None
    except (OSError, ValueError, SSHException, UnknownKeyType):
        return None
    signed = copy.copy(key)
    signed.public_blob = blob
    return signed


def _public(file: Path) -> bytes | None:
    try:
        return PublicBlob.from_file(str(file)).key_blob
    except (OSError, ValueError, SSHException):
        return None


def _agent_label(key: AgentKey) -> str:
    return f"the ssh-agent's {key.comment or key.get_name()}"
