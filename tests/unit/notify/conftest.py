"""Receivers, notices and notifiers of these tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployer.config.notify import Level, Recipient
from deployer.config.references import Referring
from deployer.notify.notices import Notice, Turn
from deployer.notify.notifier import Notifier, Settings
from tests.unit import receivers
from tests.unit.receivers import Hook, Post

KEY = "the key of these tests"

Make = Callable[..., Notifier]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setenv("HOOK_KEY", KEY)
    monkeypatch.setenv("no_proxy", "*")
    with receivers.hook() as made:
        yield made


@pytest.fixture
def other(hook: Hook) -> Iterator[Hook]:
    with receivers.hook() as made:
        yield made


@pytest.fixture
def post() -> Iterator[Post]:
    with receivers.post() as made:
        yield made


@pytest.fixture
def state(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/state.db"


@pytest.fixture
def notifier(state: str) -> Make:
    """``notifier(recipient, …, stays=True)``: as another process would make it."""

    def make(*recipients: Recipient, **more: Any) -> Notifier:
        return Notifier(recipients, Settings("lab 0123", "ops1:/srv/nginx", state, **more))

    return make


def by_hook(hook: Hook, level: Level = Level.WARNING, name: str | None = None) -> Recipient:
    return Recipient(webhook=Referring(hook.url), secret=Referring("${HOOK_KEY}"), level=level, name=name)


def by_url(url: str, level: Level = Level.WARNING, name: str | None = None) -> Recipient:
    return Recipient(url=Referring(url), level=level, name=name)


def problem(topic: str = "deploy", fingerprint: str = "1", **more: Any) -> Notice:
    """Something is wrong."""
    what: dict[str, Any] = {
        "event": "deploy.refused",
        "level": Level.WARNING,
        "inventory": "lab",
        "title": "deployment refused",
        "happened": "web1 said no.",
        "did": "Nothing was changed.",
        "now": "Mend that, then once more.",
        "commands": ("deployer deploy lab",),
        "turn": Turn.PROBLEM,
    }
    return Notice(**{**what, **more, "topic": topic, "fingerprint": fingerprint})


def good(*ends: str, **more: Any) -> Notice:
    """All is well, and this is over."""
    what: dict[str, Any] = {
        "event": "deploy.deployed",
        "level": Level.INFO,
        "inventory": "lab",
        "title": "deployment succeeded",
        "happened": "A deployment ended well.",
    }
    return Notice(**{**what, **more, "ends": ends})
