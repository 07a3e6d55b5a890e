"""What a journal adds to the outage of 12 June: its diff, and what users met."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deployer.model import DeploymentRecord, Event, State
from deployer.report.explanation import Around, Explanation, explain
from tests.unit.report.conftest import FLEET, ID, NOON

EVIL = '</code></pre><script>x</script>"\' onload="y &amp; <img src=x onerror=z>'
SITE = "sites-available/shop"
SHOP = [
    "--- a/sites-available/shop",
    "+++ b/sites-available/shop",
    "@@ -10,3 +10,3 @@",
    " \tlocation / {",
    '-\t\treturn 200 "shop";',
    '+\t\treturn 503 "out of order";',
    " \t}",
]
LIMITS = ["--- a/conf.d/limits.conf", "+++ b/conf.d/limits.conf", "@@ -0,0 +1 @@", "+# wide"]
BOTH = {SITE: SHOP, "conf.d/limits.conf": LIMITS}


def diff(files: dict[str, list[str]], *, hosts: tuple[str, ...] = FLEET) -> Event:
    kept = {"hosts": list(hosts), "drift": False, "files": files, "cut": 0}
    brings = [{"commit": "4f" * 20, "author": "Ann", "subject": "Maintenance page"}]
    return Event(ID, None, "diff", State.SUCCEEDED, NOON + 0.5, {"diffs": [kept], "brings": brings})


def impact(**hosts: Any) -> Event:
    return Event(ID, None, "impact", State.SUCCEEDED, NOON + 6, {"hosts": hosts, "unread": {}})


def reading(requests: list[int], failed: list[int], **more: Any) -> dict[str, Any]:
    """Of web1, from 8 s before noon on, a second each."""
    read = {"began": NOON - 8, "width": 1, "requests": requests, "failed": failed}
    return {**read, "logs": ["/var/log/nginx/access.log"], "skipped": [], "short": [], "ahead": 0.0, **more}


def story(record: DeploymentRecord, *events: Event, around: Around | None = None) -> Explanation:
    return explain(record, events, around)


def hostile(ended: DeploymentRecord, outage: list[Event]) -> tuple[DeploymentRecord, list[Event]]:
    """The same, and every text in it wants to be markup."""
    assert ended.result is not None
    name = {"web1": EVIL}
    events = [
        replace(e, host=name.get(str(e.host), e.host), detail={**e.detail, "error": EVIL, "details": [EVIL]})
        if e.host
        else e
        for e in outage
    ]
    hosts = {name.get(host, host): replace(end, reason=EVIL) for host, end in ended.result.hosts.items()}
    changed = [*SHOP, f"+{EVIL}"]
    events += [
        diff({EVIL: changed}, hosts=(EVIL,)),
        impact(**{EVIL: reading([9] * 18, [1] * 18, short=[EVIL])}),
    ]
    result = replace(ended.result, hosts=hosts, reason=EVIL)
    return replace(
        ended, result=result, subject=EVIL, who=EVIL, revision=EVIL, inventory=EVIL, reason=EVIL
    ), events
