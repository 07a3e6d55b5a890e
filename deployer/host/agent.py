"""The agent on one host, verb by verb: typed requests, typed answers, its refusals as exceptions.

Nothing is repeated here: what may be repeated after a lost connection is for the engine to decide.
"""

from __future__ import annotations

import re
import tarfile
import time
from collections.abc import Iterable, Mapping, Sequence

from deployer.errors import AgentError, Fenced
from deployer.globs import to_ere
from deployer.host.observation import observation
from deployer.host.payload import Payloads, contents
from deployer.host.rehearsal import HOLD_S, Rehearsed, Rehearser
from deployer.host.reply import CORRUPT, FAILED, Frozen, Switched, VerbAnswer
from deployer.host.request import Header
from deployer.host.ssh import Connection
from deployer.host.traffic import Reading, reading
from deployer.model import Manifest, Observation, Ownership, Release, Target
from deployer.model.barriers import Quarantined

# Seconds until a verb's answer must be complete; after that its outcome is unknown.
OBSERVE_S = 60.0
QUICK_S = 30.0  #: begin, release, confirm, promote, log: a lock and a few small files
COPY_S = 180.0  #: adopt, freeze, unadopt, prune, manifest, fetch: reads or copies a whole tree
VALIDATE_S = 120.0  #: the validator may look up names that do not resolve
PREPARE_S = COPY_S + VALIDATE_S
SWITCH_S = 120.0  #: activate, restore: hashes two trees, reloads, waits for the verdict
_PLAIN = re.compile(r"(?=.{1,512}$)(/(?!\.{0,2}(/|$))[\w.@+-]+)+", re.ASCII)
"""A path as the agent takes it: absolute, normalised, of plain characters."""


class Agent(Rehearser):
    """One host's agent.

    :param any_version: take whatever agent the host has, if it speaks our protocol (rollback).
    :param payloads: shared by the agents of a fleet, so that the bytes of a release exist once.
    """

    def __init__(
        self,
        connection: Connection,
        target: Target,
        *,
        any_version: bool = False,
        payloads: Payloads | None = None,
    ) -> None:
        super().__init__(connection, target, any_version=any_version)
        self._payloads = payloads or Payloads()
        self._clock_offset: int | None = None  #: seconds that the host's clock was ahead of its uptime

    def observe(self, *, hash_disk: bool = True, sites: bool = False) -> Observation:
        """Ask for the facts; changes nothing on the host, not even the agent.

        :param sites: also for the facts ``listen`` and ``server_name``, which cost more than most others.
        """
        header = (
            self._common() + ([] if hash_disk else [("hash", "no")]) + ([] if sites else [("survey", "no")])
        )
        answer = self._call(["observe"], header, timeout_s=OBSERVE_S, changes=False)
        said = answer.verbs[-1]
        self._clock_offset = int(said.number("clock")) - int(said.number("uptime"))
        return observation(answer, said, host=self.host, installed=self.installed)

    def ensure_installed(self) -> None:
        """Put the agent at its stable path, when it is not there yet."""
        if not self.installed:
            self.observe(hash_disk=False)
        if not self.installed:
            self._install()

    def begin(self, deployment: str, controller: str, *, preempt: bool = False) -> int:
        """Ask for ownership. Returns the epoch. Raises :class:`Busy`."""
        header = [*self._common(), ("deployment", deployment), ("controller", controller)]
        header += [("preempt", "yes")] if preempt else []
        # It saves the host a process to find out what it said itself.
        header += [("clock_offset", str(self._clock_offset))] if self._clock_offset else []
        epoch = int(self._one("begin", header, timeout_s=QUICK_S).number("epoch", -1))
        if epoch < 0:
            raise AgentError("the agent granted ownership without an epoch", host=self.host, code=FAILED)
        return epoch

    def release(self, own: Ownership) -> None:
        """Give ownership up; without an epoch, whatever this deployment was granted."""
        self._one("release", self._owned(own), timeout_s=QUICK_S)

    def adopt(self, own: Ownership, *, accept_unproven: bool = False) -> str:
        """Copy what is live into the store. Returns the baseline's id."""
        extra = [("accept_unproven", "yes")] if accept_unproven else []
        return self._one("adopt", self._owned(own) + extra, timeout_s=COPY_S + VALIDATE_S).one("baseline")

    def unadopt(self, own: Ownership) -> None:
        """Make a plain directory of what is live again, and forget the rest."""
        self._one("unadopt", self._owned(own), timeout_s=COPY_S)

    def freeze(self, own: Ownership, *, fix_forward: bool = False) -> Frozen:
        """Make a release of a live tree that has drifted; it has to validate, if it is what to go back to."""
        extra = [("fix_forward", "yes")] if fix_forward else []
        said = self._one("freeze", self._owned(own) + extra, timeout_s=COPY_S + VALIDATE_S)
        return Frozen(said.one("frozen"), said.one("back") or said.one("frozen"))

    def prepare(
        self,
        own: Ownership,
        release: Release,
        base: Manifest,
        base_id: str,
        *,
        main: str | None = "nginx.conf",
    ) -> tuple[str, ...]:
        """Stage and validate, in one call. Returns the validator's warnings.

        :param base: manifest of the release ``base_id`` that is on the host: only what differs is sent.
        :param main: the fact ``main`` of the observation.
        """
        payload = self._payloads.get(base, release, modes=self.target.modes, main=main)
        header = [
            *self._owned(own),
            ("release", release.id),
            ("tree_hash", release.manifest.hash),
            ("base", base_id),
            ("commit", release.commit),
            ("source_hash", release.source_hash),
            *(("mode", mode) for mode in payload.modes),
        ]
        answer = self._call(["stage", "validate"], header, payload.tar, timeout_s=PREPARE_S)
        return answer.verbs[-1].all("detail")

    def rehearse(
        self, own: Ownership, release_id: str, *, answers: bool = False, hold_s: float = HOLD_S
    ) -> Rehearsed:
        """Run a staged release beside what is live, in private namespaces; changes nothing.

        :param answers: have it stay for questions, until it is closed.
        :param hold_s: but no longer than that.
        :raises ConfigRefused: live would not become it by a reload, or it wants a port that is taken.
        """
        header = [*self._owned(own), ("release", release_id)]
        return self._rehearsed(header, answers=answers, hold_s=hold_s)

    def activate(
        self,
        own: Ownership,
        release_id: str,
        from_id: str,
        *,
        within_s: float,
        leaves: str | None = None,
        fix_forward: bool = False,
    ) -> Switched:
        """Arm the guard; switch, reload and prove. Raises :class:`NotProved` when memory does not hold it.

        :param from_id: the release to go back to, remembered on the host.
        :param within_s: without a renewal or a confirmation the host goes back by itself after that.
        :param leaves: the release that is expected to be live; ``None``: ``from_id``.
        """
        header = [*self._owned(own), ("release", release_id), ("from", from_id), _within(within_s)]
        header += [("leaves", leaves)] if leaves else []
        if fix_forward:
            header.append(("fix_forward", "yes"))
        return Switched.of(self._call(["arm", "activate"], header, timeout_s=SWITCH_S))

    def renew(self, own: Ownership, within_s: float) -> bool:
        """Move the guard's deadline to so many seconds from now. Raises :class:`Reverted`: it was too late.

        :returns: whether a guard is armed at all.
        """
        header = [*self._owned(own), _within(within_s)]
        return self._one("renew", header, timeout_s=QUICK_S).one("guard") == "armed"

    def restore(
        self,
        own: Ownership,
        release_id: str,
        *,
        start: bool = True,
        let_go: bool = False,
        quarantine: Quarantined | None = None,
    ) -> Switched:
        """Go back to the pinned ``from``, validated first; a dead nginx is started.

        :param quarantine: what the host is to remember as bad, once it is back.
        :param let_go: give ownership up in the same call. What is back is back, also where that fails. Said
            again after a lost answer, it finds the ownership gone and looks whether we gave it up ourselves.
        """
        header = [*self._owned(own), ("release", release_id), ("start", "yes" if start else "no")]
        header += [("quarantine", quarantine.line)] if quarantine is not None else []
        verbs = ["restore", "release"] if let_go else ["restore"]
        try:
            return Switched.of(self._call(verbs, header, timeout_s=SWITCH_S + VALIDATE_S, needed=1))
        except Fenced:
            seen = self.observe(hash_disk=False) if let_go else None
            if (
                seen is None
                or seen.owner
                or (seen.epoch, seen.live, seen.memory) != (own.epoch, *[release_id] * 2)
            ):
                raise
            return Switched(release_id, str(seen.memory_note), 0.0, released=True)

    def pardon(self, own: Ownership, release_id: str) -> None:
        """Forget that a release was bad, whatever commit brought it, and give ownership up; in one call."""
        header = [*self._owned(own), ("release", release_id)]
        self._call(["pardon", "release"], header, timeout_s=QUICK_S)

    def confirm(self, own: Ownership, release_id: str, *, timeout_s: float = QUICK_S) -> None:
        """Have the host say that live and memory are that release, still, and disarm its guard.

        :raises Reverted: the guard was faster; the host is back on its ``from``.
        """
        self._one("confirm", [*self._owned(own), ("release", release_id)], timeout_s=timeout_s)

    def promote(
        self, own: Ownership, release_id: str, checks: Iterable[str] = (), *, hold: Iterable[str] = ()
    ) -> None:
        """Call the release good, remember the checks, remove what is old, give ownership up; in one call.

        Said again after a lost answer, it finds the ownership gone and looks whether it was promoted by us.
        """
        header = [*self._owned(own), ("release", release_id), *(("check", digest) for digest in checks)]
        try:
            self._call(["promote", "release"], header + self._kept(hold), timeout_s=COPY_S)
        except Fenced:
            done = {(good.release, good.deployment) for good in self.observe(hash_disk=False).good}
            if (release_id, own.deployment) not in done:
                raise

    def manifest(self, release_id: str | None = None) -> Manifest:
        """The manifest of a release, or of what stands at the target now."""
        blob = self._blob("manifest", self._of(release_id))
        try:
            return Manifest.decode(blob)
        except ValueError as error:
            text = "the agent sent a manifest that cannot be read"
            raise AgentError(text, host=self.host, code=CORRUPT) from error

    def fetch(
        self, paths: Sequence[str], release_id: str | None = None, *, limit: int = 1 << 20
    ) -> dict[str, bytes]:
        """Contents of regular files as they stand; links and missing paths are left out.

        :param limit: bytes in all.
        """
        if not paths:
            return {}
        wanted = b"".join(path.encode("utf-8", "surrogateescape") + b"\0" for path in paths)
        blob = self._blob("fetch", [*self._of(release_id), ("limit", str(limit))], wanted)
        try:
            return contents(blob)
        except tarfile.TarError as error:
            text = "the agent sent an archive that cannot be read"
            raise AgentError(text, host=self.host, code=CORRUPT) from error

    def log(self, lines: int = 50) -> tuple[str, ...]:
        """The newest lines of the host's own log, oldest first."""
        header = [*self._common(), ("lines", str(lines))]
        return self._call(["log"], header, timeout_s=QUICK_S, changes=False).verbs[-1].all("log")

    def paths(self, most: int) -> tuple[tuple[str, str, str], ...]:
        """What users asked for and got, out of the access logs: log, name (may be empty), path without query.

        :param most: of each log, the most frequent first.
        """
        if most <= 0:
            return ()
        header = [*self._common(), ("lines", str(most))]
        answer = self._call(["paths"], header, timeout_s=QUICK_S, changes=False)
        told = [line.split(" ") for line in answer.verbs[-1].all("path")]
        return tuple((log, name.strip("-").lower(), path) for log, name, path in told)

    def files(self, directories: Iterable[str], most: int) -> Mapping[str, tuple[str, ...]]:
        """By directory, files below it that anybody may have: of each kind in each directory below it one.

        :param most: of each directory.
        """
        plain = [path for path in dict.fromkeys(directories) if _PLAIN.fullmatch(path)]
        if not plain or most <= 0:
            return {}
        header = [*self._common(), ("lines", str(most)), *(("place", path) for path in plain)]
        answer = self._call(["files"], header, timeout_s=COPY_S, changes=False)
        found: dict[str, tuple[str, ...]] = {}
        for line in answer.verbs[-1].all("file"):
            directory, _, path = line.partition(" ")
            found[directory] = (*found.get(directory, ()), path)
        return found

    def there(self, paths: Iterable[str]) -> Mapping[str, str]:
        """What stands at each path: ``socket``, ``directory``, ``file`` or ``nothing``.

        Without those that are no plain absolute paths.
        """
        plain = [path for path in dict.fromkeys(paths) if _PLAIN.fullmatch(path)]
        if not plain:
            return {}
        header = [*self._common(), *(("place", path) for path in plain)]
        answer = self._call(["there"], header, timeout_s=QUICK_S, changes=False)
        told = [line.partition(" ") for line in answer.verbs[-1].all("there")]
        return {path: what for what, _, path in told}

    def traffic(
        self, *, since_s: int, until_s: int = 0, width_s: int = 1, limit: int | None = None, timeout_s: float
    ) -> Reading:
        """Count requests in nginx's access logs; only counts leave the host.

        :param since_s: how many seconds ago the time begins that is counted.
        :param until_s: how many seconds ago it ends.
        :param width_s: seconds that are counted together; at most 5000 spans.
        :param limit: bytes of each log that are read, from its end; ``None``: 32 MB.
        """
        header = [*self._common(), ("since", str(since_s)), ("until", str(until_s)), ("width", str(width_s))]
        header += [("limit", str(limit))] if limit is not None else []
        began = time.time()
        answer = self._call(["traffic"], header, timeout_s=timeout_s, changes=False).verbs[-1]
        return reading(answer, now=(began + time.time()) / 2)

    # What a request is made of

    def _common(self) -> Header:
        target = self.target
        header = [("target", target.directory), ("state", target.state)]
        if target.preserve:
            header.append(("preserve", to_ere(target.preserve, prefix="./")))
        header += [("argv", word) for word in target.validate]
        header += [("reload", word) for word in target.reload or ()]
        return header if target.fallback is None else [*header, ("fallback", target.fallback)]

    def _owned(self, own: Ownership) -> Header:
        return [
            *self._common(),
            ("deployment", own.deployment),
            ("epoch", "" if own.epoch is None else str(own.epoch)),
            ("controller", own.controller),
        ]

    def _kept(self, hold: Iterable[str]) -> Header:
        return [("keep", str(self.target.keep)), *(("hold", release_id) for release_id in hold)]

    def _of(self, release_id: str | None) -> Header:
        return self._common() + ([("release", release_id)] if release_id else [])

    def _one(self, verb: str, header: Header, *, timeout_s: float) -> VerbAnswer:
        return self._call([verb], header, timeout_s=timeout_s).verbs[-1]

    def _blob(self, verb: str, header: Header, payload: bytes = b"") -> bytes:
        answer = self._call([verb], header, payload, timeout_s=COPY_S, changes=False).verbs[-1]
        return answer.blob or b""


def _within(seconds: float) -> tuple[str, str]:
    return "within", str(round(seconds * 1000))
