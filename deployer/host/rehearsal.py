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
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deployer.host.relay import Relay


@dataclass(frozen=True, slots=True)
class Listen:
    """One socket that the rehearsed nginx listens on.

    :ivar protocol: ``tcp``, ``udp`` or ``unix``.
    :ivar address: as the kernel has it, without brackets: ``0.0.0.0``, ``::``, ``10.0.0.5``; for ``unix`` a path.
    :ivar port: 0 for ``unix``.
    """

    protocol: str
    address: str
    port: int

    @property
    def reached_at(self) -> str:
        """The address to connect to: loopback where it listens on all."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.address, self.address)  # noqa: S104


@dataclass
class Rehearsed:
    """What came of a rehearsal that did not refuse (a refusal is raised as :class:`ConfigRefused`).

    :ivar notes: sentences: what was not rehearsed, and why. Empty: all that was asked for.
    :ivar transition: whether live was seen to become the candidate; ``False``: not rehearsed at all, or only
        a cold start of the candidate (the notes say which).
    :ivar answering: whether it stays for questions: then ``transport`` is there, until :meth:`close`.
    :ivar listens: where the candidate listens; only with answers.
    :ivar live_text: what ``nginx -T`` prints of what is live, as nginx on that host reads it; may hold
        secrets, so it stays in memory. Empty without answers, or when it is too long.
    :ivar candidate_text: the same of the candidate.
    :ivar transport: leads to the candidate's listeners, with the face of ``checks.reach.Transport``: an address
        that it does not listen on raises ``ConnectionRefusedError``.
    """

    host: str
    notes: tuple[str, ...] = ()
    transition: bool = False
    answering: bool = False
    listens: tuple[Listen, ...] = ()
    live_text: str = field(default="", repr=False)
    candidate_text: str = field(default="", repr=False)
    transport: Relay | None = None
    ended: Callable[[], None] = field(default=lambda: None, repr=False)  #: ends it on the host

    def close(self) -> None:
        """End it; when this returns, it is gone from the host, or its connection is. Never raises."""
        self.answering = False
        self.ended()
        self.ended = lambda: None

    def __enter__(self) -> Rehearsed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
