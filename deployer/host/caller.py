"""Calling a host's agent: how it is started there, whose version answers, and what an answer is worth."""

from __future__ import annotations

import secrets
from enum import Enum, auto
from typing import TYPE_CHECKING

from deployer.errors import AgentError, Fate, TransportError
from deployer.host import program
from deployer.host.reply import PERMISSION, PROTOCOL, Answer, VerbAnswer, failure, no_answer, parse
from deployer.host.request import Header, Request
from deployer.host.ssh import Connection
from deployer.model import Target

if TYPE_CHECKING:
    from deployer.host.exchange import Conversation

INSTALL_S = 30.0  #: seconds until the agent's text must have arrived


class _Start(Enum):
    """How the agent is started on this host."""

    UNKNOWN = auto()
    INSTALLED = auto()  #: what answered is at the stable path
    TEXT = auto()  #: nothing, or another version, is there: the text goes along with every call


class Caller:
    """The agent of one host, as something that answers requests.

    :param any_version: take whatever agent the host has, if it speaks our protocol.
    """

    def __init__(self, connection: Connection, target: Target, *, any_version: bool = False) -> None:
        self.connection, self.target = connection, target
        self._any_version = any_version
        self._start = _Start.UNKNOWN
        self._foreign = ""  #: id of another agent, which only root may replace

    @property
    def host(self) -> str:
        """The host's inventory name."""
        return self.connection.host.name

    @property
    def installed(self) -> bool:
        """Whether what answers is known to be at the stable path."""
        return self._start is _Start.INSTALLED

    def reopen(self) -> None:
        """Connect anew after the connection was lost."""
        self.connection.reopen()

    def _install(self) -> None:
        """Put the agent at its stable path. The host was asked something before."""
        if self._foreign:
            raise AgentError(
                f"it is hardened and has another agent ({self._foreign}) than this program's; "
                "as root, run the script of 'adopt --print-hardening' there again",
                host=self.host,
                code=PERMISSION,
            )
        text = program.bundled()
        self._call(["install"], [("sha256", text.sha256)], text.text, timeout_s=INSTALL_S)
        self._start = _Start.INSTALLED

    @property
    def _sudo(self) -> bool:
        for said in (self.connection.host.become, self.target.become):
            if said is not None:
                return said
        return self.connection.user != "root"

    def _call(
        self,
        verbs: list[str],
        header: Header,
        payload: bytes = b"",
        *,
        timeout_s: float,
        changes: bool = True,
        needed: int = 0,
    ) -> Answer:
        """Run verbs under one call. Raises what the last one that ran refused with.

        :param needed: how many of the verbs have to succeed; 0: all.
        """
        # Which agent answers is only seen in its answer: one that is not known yet may be asked, not told.
        try_installed = self._start is _Start.INSTALLED or (
            self._start is _Start.UNKNOWN and (self._any_version or not changes)
        )
        request = Request(tuple(verbs), header, payload)
        if try_installed:
            answer = self._by_path(request, timeout_s)
            if answer is not None:
                return self._judged(verbs, answer, needed)
            self._start = _Start.TEXT
        text = program.bundled()
        answer = self._sent(text.command(sudo=self._sudo), text.packed, request, timeout_s)
        if answer is None:
            raise TransportError(
                "the host's shell did not start the agent", host=self.host, fate=Fate.UNKNOWN
            )
        return self._judged(verbs, answer, needed)

    def _by_path(self, request: Request, timeout_s: float) -> Answer | None:
        """Ask the installed agent; ``None`` when there is none, or none that will do."""
        command = program.installed_command(sudo=self._sudo)
        answer = self._sent(command, b"", request, timeout_s)
        if answer is None:
            return None
        if answer.protocol == PROTOCOL and (self._any_version or answer.agent == program.bundled().id):
            self._start = _Start.INSTALLED
            return answer
        if any(verb.yes("pinned") for verb in answer.verbs):
            self._foreign = answer.agent
            return answer
        self.connection.dismiss(command)
        return None

    def _sent(self, command: str, opening: bytes, request: Request, timeout_s: float) -> Answer | None:
        """One round: ``None`` when no agent is installed."""
        token = secrets.token_hex(8)
        reply = self.connection.ask(
            command, opening, request.parts(token), end=f"done={token}\n".encode(), timeout_s=timeout_s
        )
        answer = parse(reply.stdout)
        if answer:
            return answer
        stderr = reply.stderr.decode("utf-8", "replace")
        if program.PATH in stderr:
            return None
        known = no_answer(
            reply.exit_status, stderr, user=self.connection.user, sudo=self._sudo, host=self.host
        )
        raise known or self._lost(stderr)

    def _held(self, verb: str, header: Header, *, timeout_s: float) -> tuple[VerbAnswer, Conversation, str]:
        """Run a verb that stays after its answer, on a session of its own. Raises as :meth:`_call` does.

        :returns: the answer, what the verb goes on to listen to, and the token that its end will name.
        """
        token = secrets.token_hex(8)
        command = program.installed_command(sudo=self._sudo)
        request = Request((verb,), header, b"").parts(token)
        done = f"done={token}\n".encode()
        reply, talk = self.connection.hold(command, request, end=done, timeout_s=timeout_s)
        try:
            answer = parse(reply.stdout)
            if answer is None:
                raise self._lost(reply.stderr.decode("utf-8", "replace"))
            return self._judged([verb], answer, 0).verbs[-1], talk, token
        except BaseException:
            talk.close()
            raise

    def _judged(self, verbs: list[str], answer: Answer, needed: int) -> Answer:
        if not answer.complete:
            raise self._lost("")
        last = answer.verbs[-1]
        if last.code:
            if 0 < needed < len(answer.verbs):
                return answer
            raise failure(last, self.host)
        if [verb.name for verb in answer.verbs] != verbs:
            raise self._lost("")
        return answer

    def _lost(self, stderr: str) -> TransportError:
        lines = [line for line in stderr.splitlines() if line.strip()]
        text = "the agent's answer is incomplete, so what it did is not known"
        text = f"{text}: {lines[-1].strip()}" if lines else text
        return TransportError(text, host=self.host, fate=Fate.UNKNOWN)
