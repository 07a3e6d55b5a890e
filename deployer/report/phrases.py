"""What each step is called when it is over. A step that is not here is told by its own name."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.model import State

#: After the hosts: "web1..web5 prepared". ``{release}`` is the release that the event names.
DONE: Mapping[str, str] = {
    "begin": "reserved for this deployment",
    "adopt": "adopted: what was live is kept as {release}",
    "freeze": "drifted: what was live is kept as {release}",
    "stage": "staged {release}, not live yet",
    "validate": "validated {release}, not live yet",
    "prepare": "prepared: {release} is staged and validated, not live yet",
    "rehearse": "rehearsed it beside what is live",
    "activate": "switched to {release}, proved in memory",
    "verify": "passed the checks",
    "confirm": "confirmed",
    "promote": "promoted as good: {release}",
    "release": "given up: no longer reserved",
}
DOING: Mapping[str, str] = {
    "begin": "be reserved",
    "adopt": "be adopted",
    "freeze": "keep the drifted tree",
    "stage": "stage the release",
    "validate": "validate the release",
    "prepare": "prepare",
    "rehearse": "rehearse it",
    "activate": "switch",
    "verify": "pass the checks",
    "confirm": "be confirmed",
    "promote": "be promoted",
    "release": "be given up",
}
UNDO_OF: Mapping[str, str] = {"begin": "release", "activate": "restore"}
UNDONE: Mapping[str, str] = {
    "release": "given up: no longer reserved",
    "restore": "rolled back to {release}, verified",
}
UNDONE_ILL = "rolled back to {release}, proved, and NOT as healthy there as before"
UNDOING: Mapping[str, str] = {
    "release": "be given up",
    "restore": "be rolled back",
}
#: Decisions and phases of the whole fleet: "Preparing web1..web5, nothing changes yet".
DECISIONS: Mapping[str, str] = {
    "begin": "Reserving {hosts}",
    "prepare": "Preparing {hosts}; nothing changes yet",
    "wave": "Wave {wave}: switching {hosts}",
    "confirm": "Wave {wave} is good: confirming {hosts}",
    "promote": "Decided: promote {hosts}",
    "unwind": "Decided: roll back {hosts}",
    "roll back": "Decided: roll back {hosts}",
    "release": "Giving up {hosts}",
    "overdue": "Wave {wave} was not decided within {within} s",
}
FLEET: Mapping[tuple[str, State], str] = {
    ("precheck", State.SUCCEEDED): "What is live passed the checks",
    ("precheck", State.FAILED): "What is live on {hosts} does not pass the checks",
    ("guard", State.FAILED): "The guard on {hosts} could not be renewed",
    ("gates", State.SUCCEEDED): "Closed gates were passed",
    ("gates", State.FAILED): "Gates are closed",
    ("quarantine", State.SUCCEEDED): "Quarantined, until somebody releases it",
    ("acquittal", State.STARTED): "Not to be quarantined",
    ("acquittal", State.SUCCEEDED): "Not quarantined",
    ("acquittal", State.FAILED): "Still called quarantined by {hosts}, which it is not",
    ("signature", State.SUCCEEDED): "The signature is good",
    ("wave", State.STARTED): "Wave {wave} began: {hosts}",
    ("wave", State.SUCCEEDED): "Wave {wave} is good: {hosts}",
    ("wave", State.FAILED): "Wave {wave} failed: {hosts}",
    ("impact", State.SUCCEEDED): "The access logs of {hosts} were read",
    ("deployment", State.SUCCEEDED): "The deployment is over, {outcome}",
    ("deployment", State.FAILED): "The deployment is over, {outcome}",
    ("deployment", State.STARTED): "The {kind} began",
    ("notify", State.SUCCEEDED): "Told",
    ("notify", State.FAILED): "NOT told",
    ("recovery", State.STARTED): "A recovery began",
    ("recovery", State.SUCCEEDED): "The recovery is over, {outcome}",
    ("recovery", State.FAILED): "The recovery is over, {outcome}",
}
PLAN: Mapping[str, str] = {
    "change": "change {hosts}",
    "unchanged": "already right: {hosts}",
    "drifted": "drifted: {hosts}",
    "refused": "refused: {hosts}",
    "unreachable": "unreachable: {hosts}",
    "back": "roll back {hosts}",
    "settle": "load again on {hosts}",
    "stay": "already there: {hosts}",
    "helpless": "nothing to go back to: {hosts}",
}
KINDS: Mapping[str, str] = {"deploy": "deployment", "adopt": "adoption"}
INTERRUPTED = "Interrupted"
#: What the journal keeps for other parts of the story than its timeline.
UNTOLD = frozenset({"diff"})
#: Of a step that was begun and never answered: "web3 began to switch; nothing more is recorded of it".
UNANSWERED = "began to {doing}; nothing more is recorded of it"
