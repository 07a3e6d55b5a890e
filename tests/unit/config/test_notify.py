"""``notify`` of a playbook: who is told, and no secret in it nor in what is said of it."""

from __future__ import annotations

import pytest

from deployer.config.notify import Level, called
from deployer.config.playbook import Playbook, load_playbook
from deployer.errors import ConfigError

from .conftest import Write

LEAST = "source: {repo: /srv/nginx.git}\n"


def load(write: Write, text: str) -> Playbook:
    return load_playbook(write("playbooks/p.yml", LEAST + text))


def test_everybody_is_called_something(write: Write) -> None:
    book = load(
        write,
        """
notify:
  - url: slack://${SLACK_TOKENS}
  - {url: "mailtos://ops:${MAIL_PASSWORD}@mx.example.com?to=oncall@example.com", level: critical}
  - {url: "${PAGER}", name: pager, level: critical}
  - {webhook: https://a.example.com/, secret: "${HOOK}", level: info}
  - {webhook: https://b.example.com/, secret: "${file:secrets/hook}"}
""",
    )
    names = called(book.notify)
    assert names == ("slack", "mailtos", "pager", "webhook (notify[3])", "webhook (notify[4])")
    assert [one.level for one in book.notify][:2] == [Level.WARNING, Level.CRITICAL]
    assert "mx.example.com" not in repr(book)
    assert len({one.key for one in book.notify}) == 5


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("{url: 'mailto://ops:hunter22@mx.example.com'}", "notify[0].url", "has a password in it"),
        ("{webhook: 'https://a:hunter22@b/', secret: '${X}'}", "notify[0].webhook", "has a password in it"),
        ("{webhook: 'https://b/', secret: hunter22}", "notify[0].secret", "not the secret itself"),
        ("{webhook: 'https://b/'}", "notify[0]", "a webhook is signed"),
        ("{webhook: 'ftp://hunter22/', secret: '${X}'}", "notify[0].webhook", "https or http URL"),
        ("{url: hunter22}", "notify[0].url", "expected an apprise URL"),
        ("{url: 'slack://${1BAD}hunter22'}", "notify[0].url", "a reference is written"),
        ("{url: 'slack://x', secret: '${X}'}", "notify[0].secret", "what a webhook is signed with"),
        ("{url: 'slack://x', webhook: 'https://b/', secret: '${X}'}", "notify[0]", "expected either url"),
        ("{url: 'slack://x', level: loud}", "notify[0].level", "info, warning or critical"),
        ("{level: info}", "notify[0]", "expected either url"),
        ("{url: 'a://x', name: n}, {url: 'b://x', name: n}", "notify[1].name", "is the name of notify"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_never_quoted(
    write: Write, text: str, key: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load(write, f"notify: [{text}]\n")
    assert key in str(caught.value)
    assert "hunter22" not in str(caught.value)
