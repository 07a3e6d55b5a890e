"""What stands now as Prometheus metrics. Names, units and labels stay (docs/monitoring)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from deployer.model import GuardState
from deployer.watch.findings import FLEET_KINDS, HOST_KINDS
from deployer.watch.now import Now

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client.core import Metric

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
LEVELS = ("warn", "error", "crit", "alert", "emerg")


class Exposition(Collector):
    """Gives what stands at the moment of the question.

    :param now: called from the thread of whoever asks.
    """

    def __init__(self, now: Callable[[], Now]) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """All metrics; hosts that left the inventory are gone from them."""
        now = self._now()
        yield from _watch(now)
        yield from _conditions(now)
        yield from _hosts(now)
        yield from _logs(now)


def _gauge(name: str, told: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"deployer_{name}", told, labels=("inventory", *labels))


def _counter(name: str, told: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"deployer_{name}", told, labels=("inventory", *labels))


def _watch(now: Now) -> Iterator[Metric]:
    hosts = _gauge("watch_hosts", "Hosts that are looked at.")
    hosts.add_metric([now.inventory], len(now.hosts))
    interval = _gauge("watch_interval_seconds", "From one look at a host to the next.")
    interval.add_metric([now.inventory], now.interval_s)
    read = _gauge("watch_files_timestamp_seconds", "When inventory and playbook were read last.")
    read.add_metric([now.inventory], now.files_read)
    yield from (hosts, interval, read)


def _conditions(now: Now) -> Iterator[Metric]:
    fleet = _gauge("fleet_condition", "1 while it holds of the fleet.", "condition")
    for kind in FLEET_KINDS:
        fleet.add_metric([now.inventory, kind.value], kind in now.fleet)
    yield fleet
    host = _gauge("host_condition", "1 while it holds of the host.", "host", "condition")
    for name, each in now.hosts.items():
        if each.look is not None:
            for kind in HOST_KINDS:
                host.add_metric([now.inventory, name, kind.value], kind in each.conditions)
    yield host


def _hosts(now: Now) -> Iterator[Metric]:
    up = _gauge("host_up", "1: the host answered the latest look.", "host")
    at = _gauge("host_look_timestamp_seconds", "When the host answered last.", "host")
    took = _gauge("host_look_duration_seconds", "How long the latest look took.", "host")
    drifted = _gauge("host_drifted_files", "Files edited since they were deployed; at most 100.", "host")
    behind = _gauge("host_behind_git", "1: git has something else for it than is on disk.", "host")
    failing = _gauge("host_checks_failing", "Checks of the playbook that do not pass.", "host")
    guard = _gauge("host_guard_remaining_seconds", "Until an unconfirmed release goes back.", "host")
    expires = _gauge(
        "host_certificate_expiry_timestamp_seconds", "End of the first certificate to end.", "host"
    )
    release = _gauge("host_release_info", "What is live on disk, and in memory.", "host", "live", "memory")
    for name, each in now.hosts.items():
        if each.look is None:
            continue
        labels = [now.inventory, name]
        up.add_metric(labels, each.look.seen is not None)
        took.add_metric(labels, each.look.seconds)
        if each.expires is not None:
            expires.add_metric(labels, each.expires)
        if (known := each.known) is None or (seen := known.seen) is None:
            continue
        at.add_metric(labels, known.time)
        drifted.add_metric(labels, len(seen.facts.get("drift", ())))
        release.add_metric([*labels, seen.live or "", seen.memory or ""], 1)
        if known.behind is not None:
            behind.add_metric(labels, known.behind)
        if known.health is not None:
            failing.add_metric(labels, len(known.health.failing))
        if seen.guard is not None and seen.guard.state is GuardState.ARMED:
            guard.add_metric(labels, seen.guard.left_s)
    yield from (up, at, took, drifted, behind, failing, guard, expires, release)


def _logs(now: Now) -> Iterator[Metric]:
    answers = _counter("host_answers", "Answers in the access logs, by status.", "host", "class")
    lines = _counter("host_log_lines", "Lines in the error logs, by level.", "host", "level")
    other = _counter("host_log_unread_lines", "Lines of logs in an unknown form.", "host")
    skipped = _counter("host_log_skipped_bytes", "Bytes of logs that were too many to count.", "host")
    for name, each in now.hosts.items():
        labels, tally = [now.inventory, name], each.tally
        if tally.read_at is None:
            continue
        for each_class in CLASSES:
            answers.add_metric([*labels, each_class], tally.answers.get(each_class[0], 0))
        for level in LEVELS:
            lines.add_metric([*labels, level], tally.levels.get(level, 0))
        other.add_metric(labels, tally.other)
        skipped.add_metric(labels, tally.skipped)
    yield from (answers, lines, other, skipped)
