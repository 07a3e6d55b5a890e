"""Streams to a rehearsed nginx: each is one channel on which the agent passes bytes on, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paramiko import Channel

    from deployer.host.exchange import Reply


class Relay:
    """What a probe needs of a connection (``checks.reach.Transport``), leading into a rehearsal."""

    @property
    def is_open(self) -> bool:
        """Whether the connection to the host is believed to be alive."""
        raise NotImplementedError

    def open(self) -> None:
        """A rehearsal that is gone cannot be had again: does nothing."""

    def tunnel(self, address: str, port: int, *, timeout_s: float) -> Channel:
        """A stream to what the rehearsed nginx listens on at this address; a name is ``localhost`` or none.

        :raises ConnectionRefusedError: it does not listen there.
        :raises TimeoutError: neither yes nor no in time.
        :raises TransportError: the connection to the host, or the rehearsal, is gone.
        """
        raise NotImplementedError

    def call(self, command: str, *, timeout_s: float | None = None) -> Reply:
        """No command is run in a rehearsal. Raises ``TransportError``."""
        raise NotImplementedError
