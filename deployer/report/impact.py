"""What users noticed: how long which hosts served the new release, and what was measured meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployer.report.exposure import Ended, Stay, span
from deployer.report.traffic import HostTraffic, Traffic
from deployer.report.words import clock, count, duration, names

BUSY = 2.0  #: requests a second from which on a second without any is worth a word
SKEW_S = 2.0  #: a clock that is off by more is worth a word


@dataclass(frozen=True)
class Measured:
    """Requests of all measured hosts, while each served the new release and before that.

    :ivar first: when the first span with a failed request began; ``None``: none failed.
    :ivar last: when the last one ended.
    :ivar before_s: seconds that ``before`` was counted in, of the host with the most of them.
    :ivar silent: spans without any request on a host that was busy before.
    """

    requests: int = 0
    failed: int = 0
    worst: int = 0
    first: float | None = None
    last: float | None = None
    before: int = 0
    before_failed: int = 0
    before_s: float = 0.0
    silent: int = 0


def measured(traffic: Traffic, found: Sequence[Stay]) -> Measured:
    """Add up what the logs of the hosts say that were switched."""
    sums = {"requests": 0, "failed": 0, "before": 0, "before_failed": 0, "silent": 0}
    before_s, failing = 0.0, []
    per_span: dict[int, int] = {}
    for stay in found:
        host = traffic.hosts.get(stay.host)
        if host is None:
            continue
        earlier, during = _parts(host, stay)
        sums["before"] += sum(total for _, total, _ in earlier)
        sums["before_failed"] += sum(bad for _, _, bad in earlier)
        sums["requests"] += sum(total for _, total, _ in during)
        sums["failed"] += sum(bad for _, _, bad in during)
        before_s = max(before_s, len(earlier) * host.width)
        if earlier and sum(total for _, total, _ in earlier) / (len(earlier) * host.width) >= BUSY:
            sums["silent"] += sum(not total for _, total, _ in during[1:-1])
        for at, _, bad in during:
            if bad:
                failing += [at, at + host.width]
                slot = round(at / traffic.width)
                per_span[slot] = per_span.get(slot, 0) + bad
    return Measured(
        **sums,
        worst=max(per_span.values(), default=0),
        first=min(failing, default=None),
        last=max(failing, default=None),
        before_s=before_s,
    )


def _parts(
    host: HostTraffic, stay: Stay
) -> tuple[list[tuple[float, int, int]], list[tuple[float, int, int]]]:
    spans = host.spans(float("-inf"), float("inf"))
    end = stay.until + host.width if stay.until is not None else float("inf")
    earlier = [each for each in spans if each[0] + host.width <= stay.began]
    during = [each for each in spans if each[0] + host.width > stay.began and each[0] < end]
    return earlier, during


def exposure_lines(found: Sequence[Stay], everybody: Sequence[str]) -> list[str]:
    """Which hosts served the new release, and for how long."""
    if not found:
        return ["No host was switched: users were served what they were served before."]
    lines = []
    for how, words in (
        (Ended.RESTORED, "then {was} proved to be back on what {it} had"),
        (Ended.KEPT, "{stays} on it: confirmed"),
        (Ended.UNKNOWN, "{has} no proved end that is recorded here"),
    ):
        hosts = [stay for stay in found if stay.how is how]
        if hosts:
            lines.append(f"{_served(hosts)}; {_said(words, len(hosts))}.")
    rest = [name for name in everybody if name not in {stay.host for stay in found}]
    if rest:
        lines.append(f"{names(rest)} never served it.")
    return lines


def _said(words: str, hosts: int) -> str:
    one = hosts == 1
    return words.format(
        was="it was" if one else "they were",
        it="it" if one else "they",
        stays="stays" if one else "stay",
        has="has" if one else "have",
    )


def _served(hosts: Sequence[Stay]) -> str:
    began = min(stay.began for stay in hosts)
    ends = [stay.until for stay in hosts if stay.until is not None]
    text = f"{names(stay.host for stay in hosts)} served the new release from {clock(began)}"
    if len(ends) < len(hosts):
        return text
    longest = max(stay.seconds(began) for stay in hosts)
    each = "" if len(hosts) == 1 else " each"
    return f"{text} to {clock(max(ends))} (at most {duration(longest)}{each})"


def measured_lines(traffic: Traffic, found: Sequence[Stay]) -> list[str]:
    """What the access logs say; first what users noticed."""
    read = [stay.host for stay in found if stay.host in traffic.hosts and traffic.hosts[stay.host].logs]
    lines = []
    if read:
        lines += _users(measured(traffic, found), names(read), len(read), traffic.width)
    for name, host in traffic.hosts.items():
        lines += _notes(name, host)
    return lines


def _users(seen: Measured, where: str, hosts: int, width: float) -> list[str]:
    logs = "its access logs" if hosts == 1 else "their access logs"
    if not seen.requests:
        text = f"{where}: {logs} have no request from that time"
        return [f"{text}: nobody asked, or nginx answered nobody; what it does not answer is in no log."]
    share = f"{100 * seen.failed / seen.requests:.1f} %"
    lines = []
    if seen.failed and seen.first is not None and seen.last is not None:
        each = "one second" if width <= 1 else f"{width:.0f} s"
        lines.append(
            f"{seen.failed} of {count(seen.requests, 'request')} that {where} logged in that time were "
            f"answered with 5xx ({share}), at most {seen.worst} in {each}, "
            f"from {clock(seen.first)} to {clock(seen.last)}."
        )
    else:
        lines.append(f"None of {count(seen.requests, 'request')} that {where} logged in that time got a 5xx.")
    if seen.before_s:
        lines.append(
            f"In the {duration(seen.before_s)} before, it was {seen.before_failed} of {seen.before}."
        )
    if seen.silent:
        silent = duration(seen.silent * width)
        lines.append(
            f"In {silent} of that time no request was logged at all though the host was busy before: "
            "what nginx does not answer is in no log."
        )
    return lines


def _notes(name: str, host: HostTraffic) -> list[str]:
    notes = []
    if not host.logs:
        notes.append(f"{name}: no access log could be read" + _because(host.skipped))
    else:
        notes += [f"{name}: not counted: {why}" for why in host.skipped]
    notes += [f"{name}: {log} begins after that time, so it is not counted whole" for log in host.short]
    if abs(host.ahead) > SKEW_S:
        notes.append(
            f"{name}: its clock is {duration(abs(host.ahead))} {'ahead' if host.ahead > 0 else 'behind'}; "
            "these times are the controller's"
        )
    return [f"{note}." for note in notes]


def _because(skipped: Sequence[str]) -> str:
    return f" ({'; '.join(skipped[:3])})" if skipped else " (nginx holds none open, and the files name none)"


def unmeasured(traffic: Traffic | None, found: Sequence[Stay]) -> Mapping[str, str]:
    """Hosts that were switched and whose users nobody counted, with the reason."""
    missing: dict[str, str] = {}
    for stay in found:
        if traffic is None:
            missing[stay.host] = "nobody looked"
        elif stay.host in traffic.unread:
            missing[stay.host] = traffic.unread[stay.host]
        elif stay.host not in traffic.hosts:
            missing[stay.host] = "it was not asked"
        elif not traffic.hosts[stay.host].logs:
            missing[stay.host] = "no access log could be read there"
    return missing


def outage(found: Sequence[Stay], traffic: Traffic | None) -> list[tuple[str, str]]:
    """Start and end, in the form of a post-mortem."""
    time = span(found)
    if time is None:
        return [("Outage", "none: no host was left with a release that failed")]
    began, ended = time
    said = [("Start", f"{clock(began)} (the first host was switched)")]
    if ended is None:
        said.append(("End", "not known: some host has no proved end"))
    else:
        said.append(("End", f"{clock(ended)} (the last host was proved to be back)"))
        said.append(("At most", duration(ended - began)))
    seen = measured(traffic, found) if traffic is not None else None
    if seen is not None and seen.first is not None and seen.last is not None:
        text = f"{clock(seen.first)} to {clock(seen.last)} ({duration(seen.last - seen.first)})"
        said.append(("Failed requests", text))
    return said
