"""The hosts of one command: one connection each, observed in parallel, closed together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeVar

from deployer.crew import Crew
from deployer.errors import HostError
from deployer.host.agent import Agent
from deployer.host.payload import Payloads
from deployer.host.ssh import Connection, SshOptions
from deployer.rollout.hiding import Hide, hidden

if TYPE_CHECKING:
    from types import TracebackType

    from deployer.model import Host, Observation, Target

T = TypeVar("T")


@dataclass
class Contact:
    """One host as this command reaches it.

    :ivar seen: what it said when it was observed, ``None`` when it could not be asked: see ``error``.
    """

    host: Host
    connection: Connection
    agent: Agent
    seen: Observation | None = None
    error: HostError | None = None


class Survey:
    """All hosts of one command. As a context manager it closes every connection at the end."""

    def __init__(
        self,
        hosts: Sequence[Host],
        target: Target,
        ssh: SshOptions,
        *,
        parallel: int,
        any_version: bool = False,
        hide: Hide = str,
    ) -> None:
        """Connect to nobody yet.

        :param any_version: take whatever agent a host has, as long as it speaks our protocol.
        :param hide: takes secrets out of what hosts say.
        """
        self._hide = hide
        most = ssh.at_once or len(hosts)
        self.parallel = max(1, min(parallel, len(hosts), most))
        self._in_turns = most < len(hosts)  #: a connection lasts no longer than what it is needed for
        self.contacts: dict[str, Contact] = {}
        payloads = Payloads()  # hosts that are alike share the bytes that are sent
        for host in hosts:
            connection = Connection.to(host, ssh)
            agent = Agent(connection, target, any_version=any_version, payloads=payloads)
            self.contacts[host.name] = Contact(host, connection, agent)

    def observe(
        self,
        *,
        hash_disk: bool = True,
        sites: bool = False,
        then: Callable[[Contact], None] | None = None,
    ) -> Self:
        """Connect to every host and ask what it is; a host that cannot be asked keeps its error.

        :param sites: also for the addresses and names that are served (see :meth:`Agent.observe`).
        :param then: called for each host that answered, in the host's own thread.
        """

        def ask(contact: Contact) -> None:
            contact.connection.open()
            seen = contact.agent.observe(hash_disk=hash_disk, sites=sites)
            contact.seen = replace(
                seen,
                problems=tuple(map(self._hide, seen.problems)),
                memory_note=self._hide(seen.memory_note),
            )
            if then is not None:
                then(contact)

        for name, failed in self.each(ask, self.contacts).items():
            if isinstance(failed, HostError):
                self.contacts[name].error = failed
                self.contacts[name].seen = None
        return self

    @property
    def answered(self) -> dict[str, Observation]:
        """What the hosts said that could be asked."""
        return {name: c.seen for name, c in self.contacts.items() if c.seen is not None}

    @property
    def silent(self) -> dict[str, HostError]:
        """Why the others could not be."""
        return {name: c.error for name, c in self.contacts.items() if c.error is not None}

    def each(self, ask: Callable[[Contact], T], names: Iterable[str]) -> Mapping[str, T | HostError]:
        """Call for each named host in parallel; a host's error is its answer."""

        def safely(name: str) -> T | HostError:
            try:
                with self.turn(name) as contact:
                    return ask(contact)
            except HostError as error:
                return hidden(error, self._hide)

        names = tuple(names)
        with Crew(max_workers=self.parallel, thread_name_prefix="ask") as pool:
            return dict(zip(names, pool.map(safely, names), strict=True))

    @contextmanager
    def turn(self, name: str) -> Iterator[Contact]:
        """A host while it is worked on; where few connections may be open, its own is closed after."""
        contact = self.contacts[name]
        if not self._in_turns:
            yield contact
            return
        try:
            if contact.seen is not None:
                # That it is gone shows in what is asked of it, which knows for how long to try again.
                with suppress(HostError):
                    contact.connection.open()
            yield contact
        finally:
            contact.connection.close()

    def close(self) -> None:
        """Close every connection."""
        for contact in self.contacts.values():
            contact.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
