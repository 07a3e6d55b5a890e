"""Manifests of what stands on the hosts now: asked once for each distinct tree, not once for each host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.errors import HostError
from deployer.model import Manifest

if TYPE_CHECKING:
    from deployer.rollout.survey import Contact, Survey


def live_manifests(survey: Survey, cache: Path, known: Iterable[Manifest] = ()) -> Mapping[str, Manifest]:
    """By tree hash, what stands at the target on the hosts that answered.

    Trees that were seen before come from the cache; a host whose answer is lost is left out, and the next
    host with the same tree is asked.

    :param known: manifests of what is about to be deployed: it will be live next time, and is kept.
    """
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    for manifest in {m.hash: m for m in known}.values():
        _keep(cache, manifest)
    wanted: dict[str, list[str]] = {}
    for name, seen in survey.answered.items():
        if seen.disk_hash:
            wanted.setdefault(seen.disk_hash, []).append(name)
    found = {tree: cached for tree in wanted if (cached := _cached(cache, tree)) is not None}
    while missing := {tree: names[0] for tree, names in wanted.items() if tree not in found and names}:
        answers = survey.each(_fetch, missing.values())
        for tree, name in missing.items():
            answer = answers[name]
            wanted[tree].remove(name)
            if not isinstance(answer, HostError) and answer.hash == tree:
                found[tree] = answer
                _keep(cache, answer)
    return found


def _fetch(contact: Contact) -> Manifest:
    return contact.agent.manifest(None)


def _cached(cache: Path, tree: str) -> Manifest | None:
    try:
        manifest = Manifest.decode((cache / tree).read_bytes())
    except (OSError, ValueError):
        return None
    return manifest if manifest.hash == tree else None


def _keep(cache: Path, manifest: Manifest) -> None:
    # Two runs may write the same file: each its own, then one rename; the content is the same.
    import tempfile

    if (cache / manifest.hash).exists():
        return
    try:
        with tempfile.NamedTemporaryFile(dir=cache, delete=False) as file:
            file.write(manifest.encode())
        Path(file.name).replace(cache / manifest.hash)
    except OSError:
        return  # only a cache
