"""What leaves is signed, arrives as a person can read it, and says nothing secret when it does not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deployer.config.notify import Recipient
from deployer.config.references import Referring, Unknown, value_of
from deployer.notify import senders
from deployer.notify.scrubbing import Scrubber
from deployer.notify.senders import NotTold, sender_of
from tests.unit.receivers import Hook, Post

from .conftest import KEY, by_hook, by_url, problem


def send(recipient: Recipient) -> None:
    sender_of(recipient, where="ops1:/srv/nginx", scrubber=Scrubber()).send(problem())


def refusal(recipient: Recipient) -> str:
    with pytest.raises(NotTold) as caught:
        send(recipient)
    return str(caught.value)


def test_the_signature_is_what_openssl_makes_of_the_body(hook: Hook, tmp_path: Path) -> None:
    send(by_hook(hook))
    (got,) = hook.got
    body = tmp_path / "body"
    body.write_bytes(got.body)
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", KEY, "-r", str(body)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert got.headers["X-Deployer-Signature"] == f"sha256={done.stdout.split()[0]}"
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["X-Deployer-Event"] == got.event["event"] == "deploy.refused"
    assert got.headers["X-Deployer-Delivery"] == got.event["id"]


def test_a_mail_says_what_happened_what_was_done_what_to_do_and_the_command(post: Post) -> None:
    send(by_url(post.url))
    assert post.subjects == ["[deployer] WARNING lab: deployment refused"]
    assert post.text().splitlines()[:5] == [
        "What happened: web1 said no.",
        "What deployer did: Nothing was changed.",
        "What to do now: Mend that, then once more.",
        "Command (ops1:/srv/nginx):",
        "    deployer deploy lab",
    ]


def test_a_redirect_is_not_followed(hook: Hook) -> None:
    hook.status = 302
    assert refusal(by_hook(hook)) == "it answered 302; the new place is not followed"
    assert [got.path for got in hook.got] == ["/hook"]


def test_who_hangs_is_given_up(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "ANSWER_S", 0.3)
    hook.status = None
    began = time.monotonic()
    assert refusal(by_hook(hook)) == "it did not answer within 0.3 s"
    assert time.monotonic() - began < 10


def test_who_refuses_is_named_without_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
    monkeypatch.setenv("HOOK_KEY", KEY)
    url = Referring(f"http://127.0.0.1:{port}/services/T0KEN")
    said = refusal(Recipient(webhook=url, secret=Referring("${HOOK_KEY}")))
    assert said == "no connection to it: Connection refused"


SIGNS = "hunter22/with:all@signs?&#"


@pytest.mark.parametrize(
    "url",
    [
        "mailto://ann:${PASSWORD}@127.0.0.1:1/?from=a@example.com&to=b@example.com",
        "jsons://127.0.0.1:1/${PASSWORD}",
        "slackx://${PASSWORD}",
        "slackx://${TOKEN}",
        "tgram://${TOKEN}/1",
        "${URL}",
    ],
)
def test_no_reason_ever_holds_a_secret(
    url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PASSWORD", SIGNS)
    monkeypatch.setenv("TOKEN", "hunter22")
    monkeypatch.setenv("URL", "jsons://ann:hunter22@127.0.0.1:1/hunter22?token=hunter22")
    said = refusal(by_url(url)) + "".join(capfd.readouterr())
    assert said
    assert "hunter22" not in said


def test_a_password_may_hold_any_sign_and_a_whole_url_is_taken_as_it_is(tmp_path: Path) -> None:
    environment = {"PASSWORD": SIGNS, "URL": "slack://A/B/C"}
    found = value_of(Referring("mailto://ann:${PASSWORD}@mx.example.com"), environment)
    assert found == "mailto://ann:hunter22%2Fwith%3Aall%40signs%3F%26%23@mx.example.com"
    assert value_of(Referring("${URL}"), environment) == "slack://A/B/C"
    (tmp_path / "key").write_text("of a file\n")
    assert value_of(Referring("${file:key}", tmp_path), environment) == "of a file"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${NOT_THERE}", "the variable NOT_THERE is not set"),
        ("${file:not/there}", "the file not/there cannot be read: No such file or directory"),
        ("${file:empty}", "the file empty is empty"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(Unknown, match=said):
        value_of(Referring(text, tmp_path), {})


def test_apprise_is_loaded_only_to_send() -> None:
    program = (
        "import sys, deployer.notify.notifier, deployer.notify.senders, deployer.config.playbook\n"
        "assert 'apprise' not in sys.modules and 'requests' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env={**os.environ})
