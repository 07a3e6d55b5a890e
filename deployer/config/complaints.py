"""What is wrong with a playbook, in sentences that name the line and what was expected."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from deployer.config import gates, identities, notify
from deployer.config.hints import did_you_mean, listing
from deployer.config.playbook import Check, From, PlaybookFile
from deployer.config.reader import kind
from deployer.config.yamlfile import Document, Loc
from deployer.errors import ConfigError
from deployer.model import Amount

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

Misfit = tuple[Loc, str]

SHORTEST_GUARD_S, LONGEST_GUARD_S = 2.0, 3600.0
"""Below, a busy host would go back while it is looked at; above, a dead controller leaves it too long."""


def complain(document: Document, error: ValidationError) -> ConfigError:
    """Pydantic's findings as one error that lists them all."""
    found = error.errors(include_url=False)
    return document.errors([(_loc(item), _sentence(item)) for item in found])


def odd_keys(value: Any, loc: Loc = ()) -> list[Misfit]:
    """Keys that YAML does not read as text: ``on``, ``no``, ``5``."""
    if isinstance(value, list):
        return [odd for at, item in enumerate(value) for odd in odd_keys(item, (*loc, at))]
    if not isinstance(value, dict):
        return []
    own = [
        (
            (*loc, str(key)),
            f"YAML reads this key as {json.dumps(key, default=str)}; quote it if text is meant",
        )
        for key in value
        if not isinstance(key, str)
    ]
    return own + [odd for key, item in value.items() for odd in odd_keys(item, (*loc, key))]


def _loc(item: ErrorDetails) -> Loc:
    return tuple(part for part in item["loc"] if part != "[key]")


def _sentence(item: ErrorDetails) -> str:
    what = item["type"]
    if what == "value_error":
        return str(item["ctx"]["error"])
    if what == "enum":
        return f"expected {item['ctx']['expected']}, not {item['input']!r}".replace("'", "")
    return _FIXED.get(what) or _about_keys(item)


_FIXED = {
    "missing": "is missing, and there is no default for it",
    "missing_argument": "is missing, and there is no default for it",
    "too_short": "expected at least one",
}


def _about_keys(item: ErrorDetails) -> str:
    what = item["type"]
    if what in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _keys(item["loc"][:-1])
        there = f"; there are {listing(known, limit=20)}"
        key = str(item["loc"][-1])
        return f"is not a key that is known here{did_you_mean(key, known) or there}"
    if what in ("dataclass_type", "dict_type"):
        known = _keys(item["loc"])
        return f"expected a mapping with {listing(known, limit=20)}, not {kind(item['input'])}"
    if what in ("tuple_type", "list_type"):
        return f"expected a list, not {kind(item['input'])}"
    return str(item["msg"])


def _keys(loc: tuple[int | str, ...]) -> list[str]:
    """The keys that a mapping at ``loc`` may have."""
    here: Any = PlaybookFile
    for part in loc:
        if isinstance(part, str):
            here = _dataclass_in(_fields(here)[part])
    return list(_fields(here))


def _fields(owner: Any) -> dict[str, Any]:
    from pydantic.fields import FieldInfo

    out = {}
    for name, hint in get_type_hints(owner, include_extras=True).items():
        if name in {f.name for f in dataclasses.fields(owner)}:
            infos = [extra for extra in get_args(hint)[1:] if isinstance(extra, FieldInfo)]
            out[next((i.alias for i in infos if i.alias), name)] = hint
    return out


def _dataclass_in(hint: Any) -> Any:
    """``Check`` of ``tuple[Check, ...]``, ``Health`` of ``Health``."""
    if dataclasses.is_dataclass(hint):
        return hint
    return next((found for arg in get_args(hint) if (found := _dataclass_in(arg)) is not None), None)


def misfits(playbook: PlaybookFile) -> list[Misfit]:
    """Values that are good by themselves and do not fit together."""
    own = (*_directories(playbook), *_checks(playbook), *_health(playbook), *_rollout(playbook))
    named = (*identities.misfits(playbook.compare.as_), *notify.misfits(playbook.notify))
    return [*own, *gates.misfits(playbook.gates), *named]


def _directories(playbook: PlaybookFile) -> Iterator[Misfit]:
    directory, state = playbook.target.directory + "/", playbook.target.state + "/"
    if directory.startswith(state) or state.startswith(directory):
        problem = "target.directory and target.state must not be the same, nor one inside the other"
        yield ("target", "state"), problem


def _checks(playbook: PlaybookFile) -> Iterator[Misfit]:
    names: dict[str, int] = {}
    for at, check in enumerate(playbook.checks):
        first = names.setdefault(check.name, at)
        if first != at:
            yield ("checks", at, "name"), f"{check.name!r} is the name of checks[{first}] already"
        for loc, problem in _check(check):
            yield ("checks", at, *loc), problem


def _check(check: Check) -> Iterator[Misfit]:
    if check.expect.within_s <= 0:
        yield ("expect", "within"), "expected more than 0s"
    if check.from_ is From.COMMAND:
        yield from _command_check(check)
        return
    if check.command is not None:
        yield ("command",), "is run only with from: command"
    if check.url is None:
        yield (), f"the check {check.name!r} needs a url"
    elif not check.url.startswith("https:"):
        for key, value in (("ca", check.ca), ("server_name", check.server_name)):
            if value is not None:
                yield (key,), "has a meaning only with an https URL"
        if not check.verify:
            yield ("verify",), "has a meaning only with an https URL"


def _command_check(check: Check) -> Iterator[Misfit]:
    if check.command is None:
        yield (), f"the check {check.name!r} needs a command, because it says from: command"
    if check.url is not None:
        yield ("url",), "is not fetched with from: command"
    if check.headers:
        yield ("headers",), "are not sent with from: command"
    plain = type(check.expect)()
    for key in ("status", "body", "headers"):
        if getattr(check.expect, key) != getattr(plain, key):
            yield ("expect", key), "is not asked with from: command; exit status 0 is healthy"


def _health(playbook: PlaybookFile) -> Iterator[Misfit]:
    health = playbook.health
    for key, value in (("interval", health.interval_s), ("deadline", health.deadline_s)):
        if value <= 0:
            yield ("health", key), "expected more than 0s"
    needed_s = (health.consecutive - 1) * health.interval_s
    if 0 < health.deadline_s < needed_s:
        problem = f"{health.consecutive} rounds take {needed_s:g}s, so no host could be healthy in time"
        yield ("health", "deadline"), problem


def _rollout(playbook: PlaybookFile) -> Iterator[Misfit]:
    if not SHORTEST_GUARD_S <= playbook.rollout.confirm_within_s <= LONGEST_GUARD_S:
        problem = (
            f"expected {SHORTEST_GUARD_S:g}s to {LONGEST_GUARD_S / 3600:g}h: it is renewed every third of it"
        )
        yield ("rollout", "confirm_within"), problem
    within_s, bake_s = playbook.rollout.wave_within_s, playbook.health.bake_s
    if within_s is not None and within_s <= bake_s:
        yield ("rollout", "wave_within"), f"no wave is decided before its bake is over: more than {bake_s:g}s"
    yield from _waves(playbook)


def _waves(playbook: PlaybookFile) -> Iterator[Misfit]:
    waves = playbook.rollout.waves
    last: dict[bool, int] = {True: 0, False: 0}
    for at, wave in enumerate(waves):
        if wave.value <= last[wave.percent]:
            problem = "waves are cumulative, so each has to be larger than the one before"
            yield ("rollout", "waves", at), problem if wave.value else "a wave has at least one host"
        last[wave.percent] = wave.value
    if waves[-1] != Amount(100, percent=True):
        said = ", ".join(str(wave) for wave in waves)
        yield ("rollout", "waves"), f"the last wave has to be 100%: [{said}, 100%]"
