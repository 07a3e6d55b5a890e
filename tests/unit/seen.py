"""What a host says of itself, for tests: a healthy one, and how it differs."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from deployer.model import Entry, Good, Kind, Manifest, Observation, Release, TargetKind

COMMIT = "a" * 40
OTHER_COMMIT = "b" * 40


def content(text: str) -> str:
    """The digest that a file with this text has."""
    return hashlib.sha256(text.encode()).hexdigest()


def tree(**files: str) -> Manifest:
    """``tree(nginx_conf="x")`` holds the file ``nginx.conf``."""
    return Manifest.of(
        Entry(name.replace("_", "."), Kind.FILE, content(text)) for name, text in files.items()
    )


def unread(_digest: str) -> bytes:
    """For a release whose contents nobody needs."""
    raise AssertionError("nobody should read a content here")


def release(manifest: Manifest, commit: str = COMMIT) -> Release:
    """A release with these files."""
    return Release(commit, "c" * 40, manifest, unread)


def good(*releases: str) -> tuple[Good, ...]:
    """Promoted one after the other."""
    return tuple(Good(name, f"d{number}", float(number)) for number, name in enumerate(releases, 1))


def seen(host: str = "web1", /, **differs: Any) -> Observation:
    """An adopted host on which ``live`` runs, promoted; what differs is named.

    ``memory`` is what is live, and ``promoted`` agrees with ``good``, unless they are named too.
    """
    live = differs.get("live", "aaaaaaaaaaaa-111111111111")
    plain = Observation(
        host=host,
        protocol=1,
        agent="0123456789ab",
        installed=True,
        systemd=True,
        validator="nginx/1.22.1",
        problems=(),
        target_kind=TargetKind.LINK,
        adopted=True,
        baseline="baseline-000000000000",
        live=live,
        disk_hash=None,
        drifted=False,
        memory=live,
        memory_note="master and workers hold it open",
        running=True,
        good=good("baseline-000000000000", *([live] if live else ())),
        releases=tuple(dict.fromkeys(("baseline-000000000000", *([live] if live else ())))),
        owner=None,
        epoch=3,
        last_deployment=None,
        last_target=None,
        last_from=None,
        promoted=True,
        checks=(),
        clock=1_718_200_000.0,
    )
    made = replace(plain, **differs)
    if "promoted" not in differs:
        made = replace(made, promoted=any(g.release == made.live for g in made.good))
    return made


def fresh(host: str = "web1", /, **differs: Any) -> Observation:
    """A host that the tool never came to: a plain directory, nginx runs."""
    never: dict[str, Any] = {
        "target_kind": TargetKind.DIRECTORY,
        "adopted": False,
        "baseline": None,
        "live": None,
        "memory": None,
        "memory_note": "not adopted",
        "good": (),
        "releases": (),
        "epoch": 0,
        "installed": False,
    }
    return seen(host, **{**never, **differs})
