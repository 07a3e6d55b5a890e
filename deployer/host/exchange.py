"""Commands on session channels: input is written while output is read, every wait has a deadline.

A command is run to its end (:func:`finish`), or answers request after request (:class:`Conversation`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from paramiko import Channel, Message, SSHException
from paramiko.common import cMSG_CHANNEL_REQUEST

from deployer.host.deadline import Deadline

CHUNK = 1 << 15  #: what OpenSSH takes in one packet
INLINE = 1 << 14  #: input up to this fits any server's first window, so it needs no thread of its own
EOF_GRACE_S = 2.0  #: after the exit status, for a background process that still holds the output open
STDOUT_LIMIT = 256 << 20
STDERR_KEPT = 64 << 10  #: the end of it


class Refused(Exception):  # caught one frame up
    """The server refused to run the command; it was not started."""


class Lost(Exception):  # caught one frame up
    """The connection ended after the command was sent and before its status came."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a command answered.

    :ivar exit_status: -1 when a signal killed it; 0 while it goes on to answer.
    :ivar ended: whether the command is over.
    """

    exit_status: int
    stdout: bytes
    stderr: bytes
    ended: bool = True


class _Bell:
    """Rings when any of several buffers has news.

    paramiko clears the event of a buffer that it emptied, which would lose the other one's ring.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.set = self._event.set
        self.wait = self._event.wait
        self.silence = self._event.clear

    def clear(self) -> None:
        pass


def request(channel: Channel, command: str) -> None:
    """Ask for the command without waiting for the answer (``Channel.exec_command`` waits, and forever)."""
    message = Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("exec")
    message.add_boolean(True)
    message.add_string(command)
    inner: Any = channel  # what exec_command itself uses, and has no public name
    inner._event_pending()
    inner.transport._send_user_message(message)


def finish(channel: Channel, stdin: Sequence[bytes], deadline: Deadline) -> Reply:
    """Feed a requested command and collect its answer.

    :raises TimeoutError: the deadline passed; the command may still run.
    :raises Lost: the connection ended; the command's fate is unknown.
    :raises Refused: the server did not start it.
    """
    return Conversation(channel).ask(stdin, b"", deadline)


class Conversation:
    """A requested command that answers request after request, for one thread at a time."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._bell = _Bell()
        buffer: Any
        for buffer in (channel.in_buffer, channel.in_stderr_buffer):
            buffer.set_event(self._bell)

    @property
    def usable(self) -> bool:
        """Whether the command is believed to wait for a request."""
        channel = self._channel
        return not (channel.eof_received or channel.closed or channel.status_event.is_set())

    def ask(self, stdin: Sequence[bytes], end: bytes, deadline: Deadline) -> Reply:
        """Feed one request and collect its answer, which ends with these bytes or with the command.

        :param end: empty: nothing more is going to be asked; the command reads to the end of its input.
        :raises: what :func:`finish` raises.
        """
        channel = self._channel
        if sum(map(len, stdin)) <= INLINE:
            _feed(channel, stdin, deadline, last=not end)
        else:
            args, more = (channel, stdin, deadline), {"last": not end}
            threading.Thread(target=_feed, args=args, kwargs=more, daemon=True).start()
        stdout, stderr = bytearray(), bytearray()
        if not self._collect(stdout, stderr, end, deadline):
            return Reply(0, bytes(stdout), bytes(stderr), ended=False)
        # The status comes just before the end of the channel, or just after the end of the output.
        channel.status_event.wait(min(deadline.left, EOF_GRACE_S))
        if channel.exit_status < 0:
            if channel.transport is None or not channel.transport.is_active():
                raise Lost("the connection ended")
            if not channel.event_ready:
                raise Refused("the server refused to run a command")
        return Reply(channel.exit_status, bytes(stdout), bytes(stderr))

    @property
    def channel(self) -> Channel:
        """For whoever goes on to speak with the command in another manner; nothing is asked here then."""
        return self._channel

    def close(self) -> None:
        """End the command's input and output. Waits for nobody."""
        with suppress(OSError, EOFError, SSHException):
            self._channel.close()

    def _collect(self, stdout: bytearray, stderr: bytearray, end: bytes, deadline: Deadline) -> bool:
        """Read on; whether the command ended (``False``: the answer is complete, more may be asked)."""
        channel, grace = self._channel, None
        while True:
            self._bell.silence()
            ended = channel.eof_received or channel.closed
            while channel.recv_ready():
                stdout += channel.recv(1 << 20)
            while channel.recv_stderr_ready():
                stderr += channel.recv_stderr(1 << 20)
                del stderr[:-STDERR_KEPT]
            if end and stdout.endswith(end):
                return False
            if ended:
                return True
            if len(stdout) > STDOUT_LIMIT:
                raise Lost(f"it answered more than {STDOUT_LIMIT >> 20} MiB")
            if deadline.passed:
                raise TimeoutError(f"no end within {deadline.seconds:g} s")
            if channel.status_event.is_set():
                grace = grace or Deadline.after(EOF_GRACE_S)
                if grace.passed:
                    return True
            self._bell.wait(min(deadline.left, 1.0))


def _feed(channel: Channel, stdin: Sequence[bytes], deadline: Deadline, *, last: bool) -> None:
    # A command that ends before it read all its input closes the channel: then its status tells, not this.
    with suppress(OSError, EOFError, SSHException):
        for part in stdin:
            view, at = memoryview(part), 0
            while at < len(view):
                channel.settimeout(max(0.05, deadline.left))
                sent = channel.send(bytes(view[at : at + CHUNK]))
                if sent == 0:
                    return
                at += sent
        if last:
            channel.shutdown_write()
