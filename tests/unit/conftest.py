"""The servers that several rooms ask questions of."""

from tests.unit.servers import authority, free_port, loopback, serve

__all__ = ["authority", "free_port", "loopback", "serve"]
