"""Connections that are begun while the rest of the program is still being loaded.

To log in is mostly the hosts' work and the network's, to load is all this program's: beside each other they
take as long as the longer of both. Nothing is asked of a host here.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deployer.host.ssh import Connection

if TYPE_CHECKING:
    from deployer.host.ssh import SshOptions
    from deployer.model import Host

Begun = tuple[Future[None], Callable[[], None]]


@contextmanager
def begun(hosts: Sequence[Host], options: SshOptions, *, parallel: int) -> Iterator[None]:
    """Connect to the hosts meanwhile. What nobody takes (:meth:`Connection.to`) is closed at the end.

    That a host cannot be reached is told where its connection is opened, as without this.

    :param parallel: at so many hosts at once; a dead one holds up those behind it.
    """
    # Loaded first: until then no thread could do anything, and all would wait for each other's imports.
    from deployer.host import link  # noqa: F401

    connections = {host.name: Connection(host, options) for host in hosts}
    todo = deque(connection.ahead() for connection in connections.values())
    options.ahead.update(connections)
    for _ in range(min(parallel, len(todo))):
        # No pool: its threads would be waited for at the end of the program, also those at a dead host.
        threading.Thread(target=_work, args=(todo,), name="dial", daemon=True).start()
    try:
        yield
    finally:
        for future, _ in tuple(todo):
            future.cancel()
        for name in tuple(options.ahead):
            options.ahead.pop(name).close()


def _work(todo: deque[Begun]) -> None:
    while True:
        try:
            _, connect = todo.popleft()
        except IndexError:
            return
        connect()
