"""Who takes names that nobody has, and addresses without a name. Pure.

To a request that is refused before it is answered there is no answer that could get worse.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from deployer.comparison.asked import Question
from deployer.nginx.sites import Server, effective

if TYPE_CHECKING:
    from deployer.comparison.reading.foresight import Foresight


def let_in(insight: Foresight) -> Iterator[tuple[Question, str]]:
    """Ports where strangers were refused by a default server, and meet whichever site comes first.

    A ``default_server`` that another one is made is somebody's will; one that is gone is nobody's.
    """
    told: set[tuple[int, str]] = set()
    for listen in insight.live.listens:
        refusing, was_told = insight.live.default_at(listen.place)
        server, is_told = insight.candidate.default_at(listen.place)
        if refusing is None or server is None or not was_told or is_told:
            continue
        if not _refuses(refusing) or _refuses(server) or (listen.port, server.title) in told:
            continue
        told.add((listen.port, server.title))
        yield (
            Question(*listen.place, ""),
            f"default_server is lost: {server.title} answers names that nobody has, which were refused",
        )


def _refuses(server: Server) -> bool:
    """Whether it turns everybody away."""
    if any(d.args == ("on",) for d in effective(server.scope, "ssl_reject_handshake")):
        return True
    return any(d.args and d.args[0].startswith("4") for d in server.directive.all("return"))
