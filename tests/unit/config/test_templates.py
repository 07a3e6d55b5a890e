"""Variables made of variables, and those that cannot be known."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.config.inventory import load_inventory
from deployer.config.opaque import Opaque
from deployer.config.templates import resolve
from deployer.errors import ConfigError, UsageError

from .conftest import Write

VAULT = """
        all:
          hosts:
            a:
              secret: !vault |
                $ANSIBLE_VAULT;1.1;AES256
                6162636465
              url: "https://user:{{ secret }}@example.com"
              ROLE: plain
"""


def resolved(**variables: Any) -> dict[str, Any]:
    return resolve(variables, {"groups": {"web": ("a", "b")}})


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ n }}", 5),
        ("{{ n }} ", "5 "),
        ("{{ n + 1 }}", 6),
        ("{{-1}}", 1),
        ("{{ -1 }}", -1),
        ("{{ names }}", ["x", "y"]),
        ("{{ names | join(',') }}", "x,y"),
        ("{{ groups['web'][0] }}", "a"),
        ("{{ missing | default(7) }}", 7),
        ("{% if n > 3 %}big{% endif %}", "big"),
        ("{{ chain }}!", "5.5!"),
        (["{{ n }}", {"deep": "{{ n }}"}], [5, {"deep": 5}]),
        ("no template, but {braces}", "no template, but {braces}"),
    ],
)
def test_values(template: Any, value: Any) -> None:
    assert resolved(out=template, n=5, names=["x", "y"], chain="{{ n }}.{{ n }}")["out"] == value


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ lookup('env', 'HOME') }}", "'lookup' is undefined"),
        ("{{ n | ternary(1, 2) }}", "No filter named 'ternary'"),
        ("{{ missing }}", "'missing' is undefined"),
        ("a{{ missing }}", "'missing' is undefined"),
        ("{{ missing.deep }}x", "'missing' is undefined"),
        ("{{ n / 0 }}", "ZeroDivisionError"),
        ("{{ out }}", "defined by itself: out"),
        ("{{ other }}", "defined by itself: out → other → out"),
        ("{{ n", "unexpected end"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ 'x' * 2000000 }}", "more than 1000000"),
    ],
)
def test_what_cannot_be_resolved_harms_only_who_uses_it(template: str, why: str) -> None:
    values = resolved(out=template, other="{{ out }}", n=5, fine="{{ n }}")
    assert values["fine"] == 5
    out = values["out"]
    assert isinstance(out, Opaque)
    assert why in repr(out)
    with pytest.raises(UsageError, match="the variable out cannot be used"):
        str(out)


def test_an_opaque_value_is_refused_in_every_use() -> None:
    from jinja2.sandbox import SandboxedEnvironment

    value = Opaque("it is encrypted", "key")
    uses = [
        "{{ v }}", "{{ v ~ 'x' }}", "{{ 'x%s' | format(v) }}", "{{ v | upper }}", "{% if v %}{% endif %}",
        "{{ v + 1 }}", "{{ v == 1 }}", "{{ v | length }}", "{% for x in v %}{% endfor %}", "{{ v[0] }}",
        "{{ v | default('x') }}", "{{ [v] | join }}", "{{ v | int }}",
        "{{ v | replace('a', 'b') }}", "{{ v in ['a'] }}",
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(UsageError, match="key cannot be used: it is encrypted"):
            SandboxedEnvironment().from_string(use).render(v=value)


def test_vault_is_tolerated_until_it_is_used(write: Write) -> None:
    path = write("i.yml", VAULT)
    (host,) = load_inventory(path).hosts
    assert host.vars["ROLE"] == "plain"
    with pytest.raises(UsageError, match=rf"the variable secret cannot be used: .*Vault \({path}:5\)"):
        str(host.vars["secret"])
    with pytest.raises(UsageError, match="url cannot be used"):
        str(host.vars["url"])
    assert "6162636465" not in repr(host)


def test_vault_that_is_needed_to_connect(write: Write) -> None:
    with pytest.raises(
        ConfigError, match=r"i\.yml:5: .*ansible_host: is needed to reach a, but it is encrypted"
    ):
        load_inventory(write("i.yml", VAULT.replace("secret:", "ansible_host:")))
    text = "all: {hosts: {a: {ansible_host: \"{{ lookup('env', 'X') }}\"}}}"
    with pytest.raises(
        ConfigError, match=r"is needed to reach a, but its template cannot be resolved: 'lookup' is undefined"
    ):
        load_inventory(write("i.yml", text))


def test_a_whole_file_in_vault_is_left_out_with_a_warning(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    path = write("hosts.yml", "web: {hosts: {a: }}")
    write("group_vars/web/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    write("group_vars/web/vars.yml", "x: 1\n")
    (host,) = load_inventory(path).hosts
    assert host.vars["x"] == 1
    assert "encrypted with Ansible Vault" in caplog.text


def test_unsafe_text_is_no_template(write: Write) -> None:
    (host,) = load_inventory(write("i.yml", "all: {hosts: {a: {x: !unsafe '{{ y }}', z: '{{ x }}'}}}")).hosts
    assert (host.vars["x"], host.vars["z"]) == ("{{ y }}", "{{ y }}")


def test_a_rendered_file_that_needs_one_says_which(write: Write) -> None:
    from deployer.source.render import Renderer

    hosts = load_inventory(write("i.yml", VAULT)).hosts
    renderer = Renderer({"a.j2": b"one\nkey {{ secret }};\n", "b.j2": b"{{ ROLE }}"}.get, hosts)
    assert renderer.render("b.j2", hosts[0]) == b"plain"
    with pytest.raises(
        ConfigError, match=r"^a\.j2:2: the variable secret cannot be used: .* Ansible Vault"
    ) as caught:
        renderer.render("a.j2", hosts[0])
    assert "6162" not in str(caught.value)
