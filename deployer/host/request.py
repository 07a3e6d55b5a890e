"""What the agent is asked: verbs, a header of ``key=value`` lines, a payload (docs/agent.md)."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.errors import DeployerError

Header = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """Verbs that run one after the other, their header, and the payload of the one that takes one."""

    verbs: tuple[str, ...]
    header: Header
    payload: bytes

    def parts(self, token: str) -> tuple[bytes, bytes]:
        """What goes on the agent's standard input; the answer ends with the token."""
        ours = [("verbs", " ".join(self.verbs)), ("token", token), ("payload", str(len(self.payload)))]
        lines = []
        for key, value in [*ours, *self.header]:
            if "\n" in value or "\0" in value or "\r" in value:
                raise DeployerError(f"a request may hold no newline: {key}={value!r}")
            lines.append(f"{key}={value}\n".encode("utf-8", "surrogateescape"))
        return b"".join(lines) + b"\n", self.payload
