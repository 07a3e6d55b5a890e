"""Ask one check's question once, and judge the answer."""

from __future__ import annotations

import math
import re
import shlex
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from deployer.checks.certificate import Trust
from deployer.checks.http import Answer, Lack, NoAnswer, Url, get
from deployer.checks.reach import BrokenProbe, Transport, direct, is_alive, through
from deployer.checks.verdict import Finding, Verdict
from deployer.errors import TransportError

if TYPE_CHECKING:
    from deployer.config.playbook import Check, Expect

_SECRET = re.compile(r"cookie|authorization|token|secret", re.IGNORECASE)
_TIMED_OUT = 124
_UNUSABLE = {125: "could not be started", 126: "is not executable", 127: "is not there"}
_COMMAND_GRACE_S = 5.0


def run_check(
    check: Check, transport: Transport, *, address: str = "", deadline: float = float("inf")
) -> Verdict:
    """Ask once. Never raises for what a service or a network does.

    :param address: the host's, for ``{host}`` in the URL of a check that is asked from the controller.
    :param deadline: of all checks, on ``time.monotonic()``; the check's own ``within`` may end it earlier.
    """
    started = time.monotonic()
    until = min(started + check.expect.within_s, deadline)
    warnings: tuple[str, ...] = ()
    late = False
    try:
        if check.from_ == "command":
            trouble = _command(check, transport, until)
        else:
            answer = _ask(check, transport, address, until)
            trouble = _judge(check.expect, answer)
            soon = answer.certificate and answer.certificate.expires_soon()
            warnings = (f"{check.name}: {soon}",) if soon else ()
        finding = Finding.FAILED if trouble else Finding.PASSED
    except NoAnswer as error:
        finding, trouble = Finding.FAILED, str(error)
        late = error.lack is Lack.LATE
    except (
        BrokenProbe,
        ValueError,
    ) as error:  # ValueError: no URL, once {host} is put in; a header no one can send
        finding, trouble = Finding.BROKEN, f"the check could not be made: {error}"
    seconds = time.monotonic() - started
    said = trouble or "as expected"
    reason = f"{check.name}: {said} in {_duration(seconds)} from {describe(check, address)}"
    return Verdict(check.name, finding, reason, seconds, warnings, cut=late and until == deadline)


def describe(check: Check, address: str = "") -> str:
    """What a check asks, fit for a log: no query, no user and password, no arguments."""
    if check.from_ == "command":
        return f"command {(check.command or ('?',))[0]}"
    parts = urlsplit(_url(check, address))
    return urlunsplit(
        (parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "…" if parts.query else "", "")
    )


def _url(check: Check, address: str) -> str:
    return str(check.url or "").replace("{host}", f"[{address}]" if ":" in address else address)


def _ask(check: Check, transport: Transport, address: str, until: float) -> Answer:
    url = Url.parse(_url(check, address))
    headers = dict(check.headers)
    # Who sends `Host: shop.example.com` to an address means that site, also to the TLS side of it.
    host = next((urlsplit(f"//{v}").hostname for n, v in headers.items() if n.lower() == "host"), None)
    ca, also = str(check.ca.path) if check.ca else None, transport.ca
    trust = Trust(check.verify, ca, check.server_name or host, also=also)
    from_host = check.from_ == "host"
    stream = through(transport, url.host, url.port, until) if from_host else direct(url.host, url.port, until)
    try:
        return get(stream, url, deadline=until, headers=headers, trust=trust)
    except NoAnswer as error:
        # A dead SSH connection looks like a server that is silent.
        if from_host and error.lack in (Lack.SILENT, Lack.LATE) and not is_alive(transport):
            raise BrokenProbe(f"the SSH connection is lost ({error})") from error
        raise
    except OSError as error:
        raise BrokenProbe(f"the authorities in {ca or also} cannot be read: {error.strerror}") from error


def _command(check: Check, transport: Transport, until: float) -> str | None:
    left_s = max(0.0, until - time.monotonic())
    # The host ends it: to give up on it here would cost the connection, and leave it running there.
    command = shlex.join(["timeout", "-k", "1", str(max(1, math.ceil(left_s))), *(check.command or ())])
    try:
        reply = transport.call(command, timeout_s=left_s + _COMMAND_GRACE_S)
    except TransportError as error:
        raise BrokenProbe(str(error)) from error
    status = reply.exit_status
    if time.monotonic() > until or status == _TIMED_OUT:
        raise NoAnswer(Lack.LATE, "the command did not end in time")
    if status == 0:
        return None
    said = (reply.stderr or reply.stdout).decode("utf-8", "replace").strip().splitlines()
    hint = f" ({said[-1][:200]})" if said else ""
    if status in _UNUSABLE:
        raise BrokenProbe(f"the command {_UNUSABLE[status]}{hint}")
    return (
        f"expected exit status 0, got {status}{hint}" if status > 0 else "the command was killed by a signal"
    )


def _judge(expect: Expect, answer: Answer) -> str | None:
    """What is not as expected; ``None`` when all is."""
    if not expect.accepts(answer.status):
        return f"expected status {expect.status}, got {answer.status}"
    if expect.body is not None and not re.search(expect.body, answer.text()):
        cut = ", of which only the first were read" if answer.cut else ""
        return f"the body ({len(answer.body)} bytes{cut}) does not match {expect.body!r}"
    for name, pattern in expect.headers.items():
        value = answer.header(name)
        if value is None:
            return f"the header {name} is missing"
        if not re.search(pattern, value):
            shown = "" if _SECRET.search(name) else f" {value[:100]!r}"
            return f"the header {name}{shown} does not match {pattern!r}"
    return None


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
