"""One command on one session channel: input is written while output is read, every wait has a deadline."""

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
    """What a command answered. ``exit_status`` is -1 when a signal killed it."""

    exit_status: int
    stdout: bytes
    stderr: bytes


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
    bell = _Bell()
    buffer: Any
    for buffer in (channel.in_buffer, channel.in_stderr_buffer):
        buffer.set_event(bell)
    if sum(map(len, stdin)) <= INLINE:
        _feed(channel, stdin, deadline)
    else:
        feeder = threading.Thread(target=_feed, args=(channel, stdin, deadline), daemon=True)
        feeder.start()
    stdout, stderr = bytearray(), bytearray()
    _collect(channel, bell, stdout, stderr, deadline)
    # The status comes just before the end of the channel, or just after the end of the output.
    channel.status_event.wait(min(deadline.left, EOF_GRACE_S))
    if channel.exit_status < 0:
        if channel.transport is None or not channel.transport.is_active():
            raise Lost("the connection ended")
        if not channel.event_ready:
            raise Refused("the server refused to run a command")
    return Reply(channel.exit_status, bytes(stdout), bytes(stderr))


def _collect(channel: Channel, bell: _Bell, stdout: bytearray, stderr: bytearray, deadline: Deadline) -> None:
    grace: Deadline | None = None
    while True:
        bell.silence()
        ended = channel.eof_received or channel.closed
        while channel.recv_ready():
            stdout += channel.recv(1 << 20)
        while channel.recv_stderr_ready():
            stderr += channel.recv_stderr(1 << 20)
            del stderr[:-STDERR_KEPT]
        if ended:
            return
        if len(stdout) > STDOUT_LIMIT:
            raise Lost(f"it answered more than {STDOUT_LIMIT >> 20} MiB")
        if deadline.passed:
            raise TimeoutError(f"no end within {deadline.seconds:g} s")
        if channel.status_event.is_set():
            grace = grace or Deadline.after(EOF_GRACE_S)
            if grace.passed:
                return
        bell.wait(min(deadline.left, 1.0))


def _feed(channel: Channel, stdin: Sequence[bytes], deadline: Deadline) -> None:
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
        channel.shutdown_write()
