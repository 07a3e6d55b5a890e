"""The agent's answer, read: tolerant to keys it does not know, strict about the protocol (docs/agent.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.errors import (
    AgentError,
    Busy,
    ConfigRefused,
    DeployerError,
    Drifted,
    Fenced,
    NotProved,
    Reverted,
)

PROTOCOL = 1
USAGE, CORRUPT, FAILED, PERMISSION = 64, 69, 70, 77

_BY_CODE: Mapping[int, type[AgentError]] = {
    65: ConfigRefused,
    66: Drifted,
    68: NotProved,
    74: Reverted,
    75: Busy,
    76: Fenced,
}

# Start-up files of a login shell may print before the agent does, even without a newline at the end.
_START = re.compile(rb"protocol=(\d{1,6})\r?\n(?=agent=)")


@dataclass(frozen=True)
class VerbAnswer:
    """What one verb said.

    :ivar code: of its ``end=`` line; ``None`` when that is missing: then the answer is a lost one.
    :ivar blob: the bytes announced by ``bytes=``.
    """

    name: str
    fields: Mapping[str, tuple[str, ...]]
    code: int | None
    blob: bytes | None = None

    def one(self, key: str, default: str = "") -> str:
        """The (last) value of a key."""
        values = self.fields.get(key)
        return values[-1] if values else default

    def all(self, key: str) -> tuple[str, ...]:
        """All values of a key that may come several times."""
        return self.fields.get(key, ())

    def yes(self, key: str) -> bool:
        """Whether the value is ``yes``."""
        return self.one(key) == "yes"

    def number(self, key: str, default: float = 0.0) -> float:
        """The value as a number."""
        try:
            return float(self.one(key))
        except ValueError:
            return default


@dataclass(frozen=True)
class Answer:
    """One call's answer: who spoke, and what each verb said, in order."""

    protocol: int
    agent: str
    verbs: tuple[VerbAnswer, ...]

    @property
    def complete(self) -> bool:
        """Whether the last verb was answered to its end."""
        return bool(self.verbs) and self.verbs[-1].code is not None


@dataclass(frozen=True, slots=True)
class Frozen:
    """What became of files that were edited by hand.

    :ivar release: the release that holds them, and is live.
    :ivar back: what to go back to: the release they were written into, if nginx still holds that.
    """

    release: str
    back: str


@dataclass(frozen=True, slots=True)
class Switched:
    """What is served after ``activate`` or ``restore``.

    :ivar memory: the release that master and workers hold.
    :ivar proof: how that was proved, in words.
    :ivar seconds: the host needed for it.
    :ivar changed: ``False`` when disk and memory were so already.
    :ivar released: whether the ownership was given up in the same call.
    """

    memory: str
    proof: str
    seconds: float
    changed: bool = True
    released: bool = False

    @classmethod
    def of(cls, answer: Answer) -> Switched:
        """Read it from the answer of a call that holds one of the two."""
        said = next(verb for verb in answer.verbs if verb.name in ("activate", "restore"))
        last = answer.verbs[-1]
        return cls(
            memory=said.one("memory"),
            proof=said.one("proof"),
            seconds=said.number("seconds"),
            changed=said.one("changed") != "no",
            released=last.name == "release" and last.code == 0,
        )


@dataclass
class _Reading:
    name: str = ""
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    code: int | None = None
    blob: bytes | None = None

    def done(self) -> VerbAnswer:
        return VerbAnswer(self.name, self.fields, self.code, self.blob)


def parse(raw: bytes) -> Answer | None:
    """Read standard output; ``None`` when no agent spoke at all."""
    start = _START.search(raw)
    if not start:
        return None
    verbs: list[VerbAnswer] = []
    agent, reading, at = "", _Reading(), start.end()
    while at < len(raw):
        end = raw.find(b"\n", at)
        if end < 0:
            break  # cut off in the middle of a line
        key, equals, value = raw[at:end].rstrip(b"\r").decode("utf-8", "surrogateescape").partition("=")
        at = end + 1
        if not equals:
            continue
        if key == "agent" and not agent:
            agent = value
        elif key == "verb":
            reading = _Reading(value)
        elif key == "bytes" and value.isdigit():
            reading.blob, at = raw[at : at + int(value)], at + int(value)
        elif key == "end":
            reading.code = int(value) if value.isdigit() else FAILED
            verbs.append(reading.done())
            reading = _Reading()
        else:
            reading.fields[key] = (*reading.fields.get(key, ()), value)
    if reading.name:
        verbs.append(reading.done())
    return Answer(int(start[1]), agent, tuple(verbs))


def failure(answer: VerbAnswer, host: str) -> DeployerError:
    """The exception for a verb that said no; its message is the agent's own sentence."""
    code = answer.code or FAILED
    sentence = answer.one("error") or f"the agent's {answer.name} failed with code {code} and gave no reason"
    if code == USAGE:
        return DeployerError(f"{host}: the agent calls the request malformed: {sentence}")
    details = answer.all("detail")
    if code == 75:
        details += tuple(f"{key}={answer.one(key)}" for key in ("owner", "silent") if answer.one(key))
    return _BY_CODE.get(code, AgentError)(sentence, host=host, code=code, details=details)


def no_answer(exit_status: int, stderr: str, *, user: str, sudo: bool, host: str) -> AgentError | None:
    """Why nothing that speaks the protocol ran, when that can be told; ``None`` when it cannot."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    text, last = stderr.lower(), lines[-1] if lines else ""
    said = next((line for line in lines if line.startswith("sudo:")), last)
    if sudo and exit_status in {1, 126, 127}:
        if "sudo" in text and exit_status == 127:
            why = f"there is no sudo and {user} is not root; install sudo, or log in as root"
        elif "tty" in text or "terminal" in text:
            why = f"sudo wants a terminal from {user}; take requiretty out of sudoers"
        elif "password" in text:
            why = f"sudo wants a password from {user}; allow it without one (NOPASSWD in sudoers)"
        elif "sudoers" in text or "not allowed" in text or "may not" in text:
            why = f"sudo does not let {user} run sh as root ({said}); allow it in sudoers"
        elif said.startswith("sudo:"):
            why = f"sudo refuses {user} ({said}); sudo -n must work without a password or a terminal"
        else:
            why = ""
        if why:
            return AgentError(why, host=host, code=PERMISSION, details=tuple(lines))
    if exit_status in {1, 126, 127}:
        why = f"the login shell of {user} cannot run the agent ({last or f'exit status {exit_status}'})"
        return AgentError(why + "; it needs a POSIX sh", host=host, code=PERMISSION, details=tuple(lines))
    return None
