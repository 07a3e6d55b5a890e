"""Templates: what they see, what they share, and errors that name the place but no secret."""

from __future__ import annotations

import time

import pytest

from deployer.errors import ConfigError, UsageError
from deployer.model import Host, Kind, Release
from deployer.source import render as render_module
from tests.unit.source.conftest import HOST, Source

J2 = ["**/*.j2"]
SECRET = "hunter2-is-a-secret"  # noqa: S105


def text(release: Release, path: str) -> str:
    return release.read(release.manifest.by_path[path].content).decode()


def failure(source: Source, template: str, **variables: object) -> ConfigError:
    source.repo.commit({"conf.d/site.conf.j2": template})
    with pytest.raises(ConfigError) as failed:
        source.releases(Host("web1", "x", vars=variables), render=J2)
    assert failed.value.exit_code == 2
    assert "web1" in str(failed.value)
    return failed.value


def test_what_a_template_sees(source: Source) -> None:
    source.repo.commit(
        {
            "nginx.conf.j2": "{{ inventory_hostname }} {{ inventory_hostname_short }} "
            "{{ group_names|join(',') }} {{ port }} {{ deep.list[1] }}\n",
            "upstream.j2": "{% for name in groups.app %}\nserver {{ hostvars[name].port }};\n{% endfor %}\n",
        }
    )
    web = Host("web1.example.com", "x", groups=("web", "eu"), vars={"port": 80, "deep": {"list": [1, 2]}})
    app = [Host(f"app{n}", "x", groups=("app",), vars={"port": 9000 + n}) for n in (1, 2)]
    release = source.releases(web, render=J2, fleet=[web, *app])[web.name]
    assert text(release, "nginx.conf") == "web1.example.com web1 eu,web 80 2\n"
    assert text(release, "upstream") == "server 9001;\nserver 9002;\n"


def test_bytes_are_kept(source: Source) -> None:
    source.repo.write(
        {"a.j2": "no newline", "b.j2": "newline\n", "c.j2": "two\n\n", "d.j2": "", "e.sh.j2": "ü&<\n"}
    )
    (source.repo.path / "e.sh.j2").chmod(0o755)
    source.repo.commit()
    release = source.release(render=J2)
    assert [text(release, name) for name in "abcd"] == ["no newline", "newline\n", "two\n\n", ""]
    assert release.manifest.by_path["e.sh"].kind is Kind.EXEC
    assert text(release, "e.sh") == "ü&<\n"


def test_a_name_without_the_suffix_is_kept(source: Source) -> None:
    source.repo.commit({"sites/a.conf": "{{ port }}", "b.conf": "{{ port }}"})
    release = source.release(render=["sites/*"])
    assert text(release, "sites/a.conf") == "8080"
    assert text(release, "b.conf") == "{{ port }}"


def test_includes_imports_and_inheritance_within_the_tree(source: Source) -> None:
    source.repo.commit(
        {
            "etc/a.conf.j2": "{% include 'lib/tls.inc' %}\n"
            "{% from 'lib/macros.j2' import listen %}{{ listen(port) }}",
            "etc/b.conf.j2": "{% extends 'lib/base.inc' %}{% block body %}{{ port }}{% endblock %}",
            "etc/lib/tls.inc": "tls {{ port }}\n",
            "etc/lib/macros.j2": "{% macro listen(p) %}listen {{ p }};{% endmacro %}",
            "etc/lib/base.inc": "[{% block body %}{% endblock %}]",
            "outside.inc": "no",
        }
    )
    release = source.release(path="etc", render=["*.j2"])
    assert text(release, "a.conf") == "tls 8080\nlisten 8080;"
    assert text(release, "b.conf") == "[8080]"


@pytest.mark.parametrize("name", ["../outside.inc", "/etc/passwd", "nothing.inc", "link"])
def test_nothing_outside_the_tree_can_be_included(source: Source, name: str) -> None:
    source.repo.write({"outside.inc": "no", "etc/a.j2": f"1\n{{% include '{name}' %}}"})
    (source.repo.path / "etc/link").symlink_to("/etc/passwd")
    source.repo.commit()
    with pytest.raises(
        ConfigError, match=rf"a\.j2:2: '{name}' is included but is no file under source\.path"
    ):
        source.release(path="etc", render=J2)


def test_hosts_that_render_alike_share_one_release(source: Source) -> None:
    source.repo.commit({"a.j2": "{{ zone }}", "plain": "x"})
    hosts = [Host(f"web{n}", "x", vars={"zone": "eu" if n < 3 else "us", "unused": n}) for n in range(5)]
    releases = source.releases(*hosts, render=J2)
    assert releases["web0"] is releases["web1"] is releases["web2"]
    assert releases["web3"] is releases["web4"] is not releases["web0"]
    assert releases["web0"].source_hash == releases["web3"].source_hash
    assert text(releases["web3"], "a") == "us"


@pytest.mark.parametrize(
    "template",
    [
        "{{ zone }}",
        "{% include 'inc' %}",
        "{% include inc %}",
        "{% import 'mac' as m with context %}{{ m.f() }}",
        "{% set x = zone %}{{ x }}",
        "{% if false %}{{ zone }}{% endif %}{{ other }}",
    ],
)
def test_no_host_gets_the_rendering_of_another(source: Source, template: str) -> None:
    source.repo.commit(
        {"a.j2": template, "inc": "{{ zone }}", "mac": "{% macro f() %}{{ zone }}{% endmacro %}"}
    )
    hosts = [Host(f"h{z}", "x", vars={"zone": z, "other": z, "inc": "inc"}) for z in (1, True, "1", 2)]
    releases = source.releases(*hosts, render=J2)
    assert [text(releases[host.name], "a") for host in hosts] == ["1", "True", "1", "2"]


def test_the_release_does_not_depend_on_which_hosts_are_deployed(source: Source) -> None:
    source.repo.commit({"a.j2": "{{ groups.all|join(' ') }}"})
    fleet = [Host("a", "x"), Host("b", "x")]
    assert source.releases(fleet[0], render=J2, fleet=fleet)["a"] == source.releases(*fleet, render=J2)["a"]


@pytest.mark.parametrize(
    ("template", "line", "said"),
    [
        ("a\nb {{ prot }}\n", 2, "'prot' is undefined"),
        ("{{ port.missing }}", 1, "'missing' is undefined"),
        ("a\n\n{% if %}", 3, "not a valid template"),
        ("{% for x in y %}", 1, "not a valid template"),
        ("\n{{ port | nofilter }}", 2, "No filter named 'nofilter'"),
        ("{{ ''.__class__.__mro__ }}", 1, "sandbox"),
        ("{% for i in range(10000000) %}x{% endfor %}", 1, "a range has more than 100000 items"),
        ("{% for i in range(99999) %}{{ 'x' * 100 }}{% endfor %}", None, "more than 5 MiB"),
        ("\n{{ 'x' * 10 ** 9 }}", 2, "longer than 1000000"),
        ("{{ 9 ** (9 ** 9) }}", 1, "exponent"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", 1, "without end"),
        ("{% include 'conf.d/site.conf.j2' %}", 1, "without end"),
        ("\n{{ 1 / 0 }}", 2, "ZeroDivisionError"),
        ("{{ [1].append(2) }}", 1, "sandbox"),
        ("{{ [1, 2] | random }}", 1, "No filter named 'random'"),
        ("{{ lipsum() }}", 1, "'lipsum' is undefined"),
        ("{{ '\ud800' }}", None, "UTF-8"),
    ],
)
def test_errors_name_file_line_and_host(source: Source, template: str, line: int | None, said: str) -> None:
    if "\ud800" in template:
        template = "{{ bad }}"
    failed = failure(source, template, port=1, bad="\ud800")
    assert said in str(failed)
    assert str(failed).startswith("conf.d/site.conf.j2")
    if line is not None:
        assert failed.line == line


def test_an_error_in_an_included_file_names_that_file(source: Source) -> None:
    source.repo.commit({"lib/inc": "\n\n{{ nope }}"})
    assert str(failure(source, "x\n{% include 'lib/inc' %}")).startswith("lib/inc:3: 'nope' is undefined")


def test_a_binary_template(source: Source) -> None:
    source.repo.commit({"a.j2": b"\xff\xfe\x00"})
    with pytest.raises(ConfigError, match=r"^a\.j2: this template is not UTF-8 text"):
        source.release(render=J2)


@pytest.mark.parametrize(
    "template",
    [
        "{{ password + 1 }}",
        "{{ 1 + password }}",
        "{{ users[password] }}",
        "{{ password.x }}",
        "{{ password() }}",
        "{{ password | int(default=none) + 1 }}",
        "{{ '%d' | format(password) }}",
        "{{ ''[password] }}",
        "{{ '{0.__class__}'.format(password) }}",
        "{% include password %}",
        "{% include [password, password] %}",
        "{% for a, b, c in [password] %}{% endfor %}",
        "{{ [] | join(attribute=password) }}{{ [1] | map(password) | list }}",
        "{{ users | dictsort(by=password) }}",
        "{{ [1] | sum(start=password) }}",
        "{{ password | round }}",
        "{{ undefined_thing[password] }}",
        "{{ namespace(password) }}",
    ],
)
def test_no_error_shows_the_value_of_a_variable(source: Source, template: str) -> None:
    failed = failure(source, template, password=SECRET, users={"a": 1})
    assert SECRET not in str(failed)
    assert failed.__cause__ is None
    assert failed.__suppress_context__


def test_a_loop_without_output_ends_at_the_time_limit(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render_module, "TIMEOUT_S", 0.5)
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    begun = time.monotonic()
    assert "takes longer than 0.5 s" in str(failure(source, loops))
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["a.conf", "a.conf.j2"], "'a.conf' and 'a.conf.j2' would both become 'a.conf'"),
        (["a.j2", "a/b"], "'a.j2' would become 'a', which is a directory"),
        (["d/.j2"], "without a name"),
    ],
)
def test_two_files_for_one_name(source: Source, files: list[str], said: str) -> None:
    source.repo.commit(dict.fromkeys(files, "x"))
    with pytest.raises(UsageError) as refused:
        source.release(render=J2)
    assert said in str(refused.value)
    assert source.release()


def test_a_symlink_cannot_be_rendered(source: Source) -> None:
    source.repo.write({"a.conf": "x"})
    (source.repo.path / "b.conf.j2").symlink_to("a.conf")
    source.repo.commit()
    with pytest.raises(UsageError, match="only files can be rendered"):
        source.release(render=J2)


def test_a_glob_that_is_none(source: Source) -> None:
    source.repo.commit({"a": "x"})
    with pytest.raises(UsageError, match=r"source\.render"):
        source.release(render=["/abs"])
    with pytest.raises(UsageError, match=r"target\.preserve"):
        source.release(preserve=["../x"])


def test_rendering_many_hosts_is_quick(source: Source) -> None:
    source.repo.commit({**{f"t{n}.j2": "{{ inventory_hostname }} {{ port }}\n" for n in range(20)}, "x": "y"})
    hosts = [Host(f"web{n}", "x", vars=HOST.vars) for n in range(120)]
    begun = time.monotonic()
    assert len(source.releases(*hosts, render=J2)) == 120
    assert time.monotonic() - begun < 10
