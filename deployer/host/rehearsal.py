"""A candidate that runs beside live nginx on its host, and how questions get to it.

:meth:`deployer.host.agent.Agent.rehearse` makes one. With answers it lives until :meth:`Rehearsed.close`,
or until the connection, the agent or its own deadline ends, whichever comes first; nothing of it remains.

What is true of its answers: it listens where the candidate will listen, on addresses and ports that exist
only for it, and it reaches the real upstreams through the host's own network. So an upstream that is a
listener of nginx itself (``proxy_pass http://127.0.0.1:8081`` to another server block) is answered by *live*
nginx, or by nobody when only the candidate has that listener: such a route cannot be compared here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from deployer.host import program
from deployer.host.caller import Caller
from deployer.host.deadline import Deadline
from deployer.host.relay import Relay, Signs
from deployer.host.reply import VerbAnswer
from deployer.host.request import Header
from deployer.host.switchboard import Switchboard

if TYPE_CHECKING:
    from deployer.host.exchange import Conversation

REHEARSE_S = 90.0  #: seconds until the answer; the host itself gives it 60 s
HOLD_S = 300.0  #: how long it stays for questions, unless it is ended before
END_S = 10.0


@dataclass(frozen=True, slots=True)
class Listen:
    """One socket that the rehearsed nginx listens on.

    :ivar protocol: ``tcp``, ``udp`` or ``unix``.
    :ivar address: without brackets: ``0.0.0.0``, ``::``, ``10.0.0.5``; for ``unix`` a path.
    :ivar port: 0 for ``unix``.
    """

    protocol: str
    address: str
    port: int


@dataclass
class Rehearsed:
    """What came of a rehearsal that did not refuse (a refusal is raised as :class:`ConfigRefused`).

    :ivar notes: what was not rehearsed, and why. Empty: all that was asked for was.
    :ivar ran: whether the candidate was run at all.
    :ivar transition: whether live was seen to become the candidate; ``False``: only a start of the candidate
        was rehearsed, or nothing (the notes say which).
    :ivar answering: whether it stays for questions: then ``transport`` is there, until :meth:`close`.
    :ivar listens: where the candidate listens; only with answers.
    :ivar live_text: what ``nginx -T`` prints of what is live, as nginx on that host reads it; may hold
        secrets, so it stays in memory. Empty without answers, when it is too long, or when nginx is dead.
    :ivar candidate_text: the same of the candidate.
    :ivar transport: leads to the candidate's listeners, with the face of ``checks.reach.Transport``: an
        address that it does not listen on raises ``ConnectionRefusedError``.
    """

    host: str
    notes: tuple[str, ...] = ()
    ran: bool = False
    transition: bool = False
    answering: bool = False
    listens: tuple[Listen, ...] = ()
    live_text: str = field(default="", repr=False)
    candidate_text: str = field(default="", repr=False)
    transport: Switchboard | Relay | None = None
    ended: Callable[[], None] = field(default=lambda: None, repr=False)  #: ends it on the host

    @classmethod
    def of(cls, said: VerbAnswer, host: str) -> Rehearsed:
        """Read it from the answer to ``rehearse``."""
        blob, at = said.blob or b"", int(said.number("live"))
        return cls(
            host=host,
            notes=said.all("note"),
            ran=said.one("transition") in ("yes", "start"),
            transition=said.yes("transition"),
            answering=said.yes("answering"),
            listens=tuple(dict.fromkeys(map(_listen, said.all("listen")))),
            live_text=blob[:at].decode("utf-8", "surrogateescape"),
            candidate_text=blob[at:].decode("utf-8", "surrogateescape"),
        )

    def close(self) -> None:
        """End it; when this returns, it is gone from the host, or the connection is. Never raises."""
        ended, self.ended, self.answering, self.transport = self.ended, lambda: None, False, None
        ended()

    def __enter__(self) -> Rehearsed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _listen(line: str) -> Listen:
    protocol, port, address = line.split(" ", 2)
    return Listen(protocol, address, int(port))


class Rehearser(Caller):
    """The agent's verbs ``rehearse`` and ``relay``."""

    def _rehearsed(self, header: Header, *, answers: bool, hold_s: float) -> Rehearsed:
        if not answers:
            answer = self._call(["rehearse"], header, timeout_s=REHEARSE_S)
            return Rehearsed.of(answer.verbs[-1], self.host)
        header = [*header, ("answers", "yes"), ("within", str(round(hold_s * 1000)))]
        said, talk, token = self._held("rehearse", header, timeout_s=REHEARSE_S)
        rehearsed = Rehearsed.of(said, self.host)
        if not rehearsed.answering:
            talk.close()
            return rehearsed
        if said.yes("switchboard"):
            board = Switchboard(talk.channel, token, self.host, ca=self.connection.ca)
            rehearsed.transport, rehearsed.ended = board, board.close
            return rehearsed
        to = [*header, ("keeper", said.one("keeper"))]
        rehearsed.transport = Relay(self.connection, program.installed_command(sudo=self._sudo), to)
        signs = Signs(talk.channel)
        rehearsed.ended = lambda: _end(talk, token, signs)
        return rehearsed


def _end(talk: Conversation, token: str, signs: Signs) -> None:
    signs.stop()
    # Whatever is in the way of a word, the closed session is one too.
    with suppress(Exception):
        talk.ask((b"end\n",), f"gone={token}\n".encode(), Deadline.after(END_S))
    talk.close()
