"""Secrets of the inventory are not shown: which they are, what of a file may be shown, what hosts may say."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.config.opaque import Opaque
from deployer.model import Host, Release
from deployer.source.changes import lines, text_diff
from deployer.source.veil import DEPENDS, MASK, Veil
from tests.unit.source.conftest import Source

J2 = ["**/*.j2"]
TOKEN = "hunter2-is-a-secret"  # noqa: S105


def host(name: str = "web1", **variables: Any) -> Host:
    return Host(name, "192.0.2.1", vars=variables)


def built(source: Source, *hosts: Host, ref: str = "main") -> dict[str, Release]:
    return source.releases(*hosts, ref=ref, render=J2, veil=Veil(hosts))


def shown(release: Release, path: str) -> str | None:
    digest = release.manifest.by_path[path].content
    assert release.read(digest) is not None
    content = release.masked.get(digest, release.read(digest))
    return None if content is None else content.decode()


def real(release: Release, path: str) -> str:
    return release.read(release.manifest.by_path[path].content).decode()


TELLING_NAMES = (
    "password db_password dbPassword DB_PASSWORD passwd htpasswd_users passphrase pass ansible_become_pass "
    "secret client_secret token apiToken API_TOKEN credential credentials api_key apikey hmacKey key privkey"
)
OTHER_NAMES = (
    "port bypass compass monkey keepalive keyzone secret_name token_ttl password_file "
    "ansible_ssh_private_key_file keys_zone_size passenger server_name"
)


@pytest.mark.parametrize("name", TELLING_NAMES.split())
def test_a_name_says_that_its_value_is_secret(name: str) -> None:
    assert Veil([host(**{name: TOKEN})]).variables({name: TOKEN}) == {name: MASK}


@pytest.mark.parametrize("name", OTHER_NAMES.split())
def test_other_names_say_nothing(name: str) -> None:
    veil = Veil([host(**{name: TOKEN})])
    assert not veil
    assert veil.variables({name: TOKEN}) == {name: TOKEN}


@pytest.mark.parametrize("value", ["/etc/ssl/shop.key", "~/keys/shop", "$binary_remote_addr", "", None, True])
def test_what_a_key_of_nginx_usually_is_can_be_seen(value: object) -> None:
    assert not Veil([host(cache_key=value)])


def test_secrets_are_found_however_deep_they_lie() -> None:
    variables: dict[str, Any] = {
        "users": [{"name": "alice", "password": 12345678}, {"name": "bob", "password": "p"}],
        "tokens": {"name": TOKEN, "list": ["one-of-them"]},
        "header": f"Bearer {TOKEN}",
        "ports": [80, 443],
        "vault_secret": Opaque("it is encrypted"),
    }
    veil = Veil([host(**variables)])
    opaque = variables.pop("vault_secret")
    masked = veil.variables({**variables, "vault_secret": opaque})
    assert masked.pop("vault_secret") is opaque
    assert masked == {
        "users": [{"name": "alice", "password": MASK}, {"name": "bob", "password": MASK}],
        "tokens": {"name": MASK, "list": [MASK]},
        "header": f"Bearer {MASK}",
        "ports": [80, 443],
    }


def test_what_hosts_say_is_searched_for_the_values_of_all() -> None:
    pem = "-----BEGIN KEY-----\nMIIBVQIBADANBgkqhkiG\n-----END KEY-----\n"
    more = {"token": TOKEN + "-longer", "pin_token": "on", "tls_key": pem}
    veil = Veil([host(token=TOKEN), host("web2", **more)])
    said = f'unknown directive "{TOKEN}-longer", "{TOKEN}" on line "MIIBVQIBADANBgkqhkiG"'
    assert veil.hide(said) == f'unknown directive "{MASK}", "{MASK}" on line "{MASK}"'
    assert veil.hide("too short to be looked for: on") == "too short to be looked for: on"
    assert Veil().hide(said) == said


def test_a_template_shows_a_mask_and_the_host_gets_the_value(source: Source) -> None:
    source.repo.commit(
        {
            "a.j2": "listen {{ port }};\n"
            "set $t {{ api_token | upper }};\n{% if api_token %}\non;\n{% endif %}\n",
            "b.j2": "{% for h in hostvars.values() %}\n{{ h.api_token }};\n{% endfor %}\n",
            "c.j2": "{% set name = 'x' %}{% include name %}",
            "x": "{{ basic }}",
            "plain.j2": "listen {{ port }};\n",
        }
    )
    web = host(port=80, api_token=TOKEN, basic=f"user:{TOKEN}")
    release = built(source, web)["web1"]
    assert real(release, "a") == f"listen 80;\nset $t {TOKEN.upper()};\non;\n"
    assert shown(release, "a") == f"listen 80;\nset $t {MASK};\non;\n"
    assert (real(release, "b"), shown(release, "b")) == (f"{TOKEN};\n", f"{MASK};\n")
    assert (real(release, "c"), shown(release, "c")) == (f"user:{TOKEN}", f"user:{MASK}")
    assert release.manifest.by_path["plain"].content not in release.masked
    assert release.id == source.releases(web, render=J2)["web1"].id


@pytest.mark.parametrize(
    "template",
    [
        "{{ 2 + pin_secret }}",
        "{{ {1234567: 'a'}[pin_secret] }}",
        "{% if pin_secret == 1234567 %}\na\nb\n{% endif %}\n",
        "{% if pin_secret == 1234567 %}x{% endif %}",
    ],
)
def test_where_a_template_decides_by_a_secret_nothing_is_shown(source: Source, template: str) -> None:
    source.repo.commit({"a.j2": template})
    release = built(source, host(pin_secret=1234567))["web1"]
    assert shown(release, "a") is None
    assert text_diff("a", b"old\n", b"new\n", shows=None)[2:] == [
        "(content hidden: it depends on secret values, 4 B → 4 B)"
    ]


def diff(veil: Veil, old: bytes, new: bytes, *known: tuple[str, str]) -> list[str]:
    pairs = [(lines(a.encode()), lines(b.encode())) for a, b in known]
    return text_diff("a", old, new, shows=veil.shows(pairs))[3:]


def test_a_diff_shows_that_a_secret_changes_and_not_what_it_is() -> None:
    old, new = "listen 80;\n  set $t old-one;\n", f"listen 81;\n  set $t {TOKEN};\n"
    found = diff(Veil([host(token=TOKEN)]), old.encode(), new.encode(), (new, new.replace(TOKEN, MASK)))
    assert found == ["-listen 80;", f"-  set $t {MASK};", "+listen 81;", f"+  set $t {MASK};"]


def test_an_older_template_tells_its_secrets_too() -> None:
    before, after = "auth_key old-one;\n", f"set $t {TOKEN};\n"
    veil = Veil([host(token=TOKEN)])
    pairs = ((after, f"set $t {MASK};\n"), ("auth_key any;\n", f"auth_key {MASK};\n"))
    assert diff(veil, before.encode(), after.encode(), *pairs) == [f"-auth_key {MASK};", f"+set $t {MASK};"]


def test_a_known_value_is_masked_wherever_it_stood() -> None:
    veil = Veil([host(token=TOKEN)])
    old = f"nobody knows this line {TOKEN}\nkept\n"
    assert diff(veil, old.encode(), b"kept\n", ("kept\n", "kept\n")) == [
        f"-nobody knows this line {MASK}",
        " kept",
    ]


def test_a_line_that_only_depends_on_a_secret_is_not_made_up() -> None:
    veil = Veil([host(token=TOKEN)])
    assert diff(veil, b"", b"long;\n", ("long;\n", "short;\n")) == [f"+{DEPENDS}"]


def test_a_mask_alone_on_a_line_hides_what_is_not_known_and_shows_the_rest() -> None:
    veil = Veil([host(token=TOKEN)])
    new = f"{TOKEN}\nlisten 80;\n"
    found = diff(veil, b"old-one\nlisten 80;\n", new.encode(), (new, new.replace(TOKEN, MASK)))
    assert found == [f"-{MASK}", f"+{MASK}", " listen 80;"]
