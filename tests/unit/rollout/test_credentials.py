"""What ``compare.as`` refers to: read before anything is done, one line of a request, and never quoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config.playbook import Playbook, load_playbook
from deployer.errors import ConfigError
from deployer.rollout.credentials import askers_of

SECRET = "open-sesame-1234"  # noqa: S105


def written(tmp_path: Path, headers: str, more: str = "") -> Playbook:
    path = tmp_path / "nginx.yml"
    path.write_text(
        "source: {repo: conf}\n"
        "compare:\n"
        "  as:\n"
        "    - name: customer\n"
        f"      headers: {{{headers}}}\n"
        f"      only: [api.example.com/*]\n{more}"
    )
    return load_playbook(path, tmp_path)


def test_a_variable_in_a_text_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "cookie").write_text("session=ab/cd=\n")
    (tmp_path / "cookie").chmod(0o640)
    playbook = written(tmp_path, 'Authorization: "Bearer ${T}", Cookie: "${file:cookie}", X-Api-Version: "2"')
    (asker,) = askers_of(playbook, {"T": SECRET})
    assert asker.headers == (
        ("Authorization", f"Bearer {SECRET}"),
        ("Cookie", "session=ab/cd="),
        ("X-Api-Version", "2"),
    )
    assert asker.secrets == (SECRET, "session=ab/cd=")
    assert asker.only == ("api.example.com/*",)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "the variable T is not set"),
        ("", "the variable T is not set"),
        (f"{SECRET}\r\nX-Admin: yes", "the variable T has to hold one line of plain ASCII"),
        (f"{SECRET}\n", "the variable T has to hold one line of plain ASCII"),
        (f"{SECRET}\x00", "the variable T has to hold one line of plain ASCII"),
        (f"{SECRET}é", "the variable T has to hold one line of plain ASCII"),
        (SECRET * 600, "no server takes more than 8000"),
    ],
)
def test_what_can_be_no_header_is_refused_by_its_place(
    tmp_path: Path, value: str | None, problem: str
) -> None:
    playbook = written(tmp_path, 'Authorization: "Bearer ${T}"')
    with pytest.raises(ConfigError) as caught:
        askers_of(playbook, {} if value is None else {"T": value})
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}/nginx.yml:5: compare.as[0].headers.Authorization: ")
    assert problem in said
    assert SECRET not in said
    assert caught.value.__cause__ is None


def test_a_file_that_everybody_can_read_is_no_secret(tmp_path: Path) -> None:
    playbook = written(tmp_path, 'X-Api-Key: "${file:key}"')
    with pytest.raises(ConfigError, match="the file key cannot be read: No such file"):
        askers_of(playbook, {})
    (tmp_path / "key").write_text(SECRET)
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(ConfigError, match=r"read by everybody on this machine \(mode 0644\): chmod o= it"):
        askers_of(playbook, {})
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "key").write_text(f"{SECRET}\nX-Admin: yes\n")
    with pytest.raises(ConfigError, match="the file key has to hold one line"):
        askers_of(playbook, {})


def test_nothing_is_read_where_nothing_is_asked(tmp_path: Path) -> None:
    for off in ("rehearse: off\n", "rehearse: {answers: off}\n"):
        assert askers_of(written(tmp_path, 'X-Api-Key: "${T}"', off), {}) == ()


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        (f"Authorization: Bearer {SECRET}", "Authorization: is a secret"),
        (f"X-Api-Key: {SECRET}", "X-Api-Key: is a secret"),
        (f"Cookie: session={SECRET}", "Cookie: is a secret"),
        (f'Authorization: "${{T {SECRET}"', "a reference is written"),
        (f'X-Note: "{SECRET}\\nX-Admin: yes"', "X-Note: expected a line of text"),
        (f"Host: {SECRET}", "Host: is not a header that a question may be given"),
        (f"X-HTTP-Method-Override: {SECRET}", "is not a header that a question may be given"),
        ("X-V: 2", "X-V: expected a line of text"),
        ("X-V: '1', x-v: '2'", "a header is there twice"),
        ("", "expected headers such as"),
    ],
)
def test_what_a_playbook_may_not_say(tmp_path: Path, headers: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        written(tmp_path, headers)
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_cookie_that_is_no_secret_may_be_written_out(tmp_path: Path) -> None:
    (asker,) = askers_of(written(tmp_path, "Cookie: canary=always, X-Canary: always"), {})
    assert asker.secrets == ()


def test_two_of_one_name_cannot_be_told_apart(tmp_path: Path) -> None:
    twice = "    - {name: customer, headers: {X-V: '2'}, only: [/x]}\n"
    with pytest.raises(ConfigError, match="'customer' is the name of"):
        written(tmp_path, "X-V: '1'", twice)
