"""What was edited by hand on a host, kept as a release of its own, and the way back from it. Pure."""

from __future__ import annotations

from deployer.model import Observation


def is_edit(release_id: str | None) -> bool:
    """Whether a release is a tree that somebody edited by hand."""
    return (release_id or "").startswith("drift-")


def edit_id(seen: Observation) -> str | None:
    """The name that keeping it will give to what is on disk now."""
    return f"drift-{seen.disk_hash[:12]}" if seen.disk_hash else None


def source_of_edit(seen: Observation) -> str | None:
    """What a deployment over edits goes back to: the live release if nginx still holds it, else the edits."""
    return next(iter(seen.facts.get("drift_back", ())), None) or edit_id(seen)


def beside(seen: Observation) -> str | None:
    """What to be on instead of edits that were kept and never loaded; ``None``: live is no such thing.

    What nginx holds, if it is still on the host, else the last known good release.
    """
    good = [g.release for g in seen.good]
    if not is_edit(seen.live) or seen.live in good or seen.memory == seen.live:
        return None
    if seen.memory in seen.releases:
        return seen.memory
    there = [release for release in good if release in seen.releases]
    return there[-1] if there else None


def not_loaded(seen: Observation) -> str:
    """What a sentence about edited files adds when nginx does not serve them, or not all."""
    match next(iter(seen.facts.get("drift_loaded", ())), ""):
        case "no":
            return " (nginx does not have the edit loaded)"
        case "partly":
            return " (nginx has only a part of the edits loaded)"
        case _:
            return ""
