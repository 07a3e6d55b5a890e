"""Any name, any change of type, many files, large files."""

from __future__ import annotations

import time

import pytest

from deployer.lab.host import LabHost
from deployer.model import Kind
from tests.lab.agent_sh import SHELLS, AgentOn, Content, listing, release_of, reload, script, site

pytestmark = pytest.mark.lab

NAMES = (
    "-dash",
    "--help",
    "a b",
    " lead",
    "trail ",
    "new\nline",
    "quo'te",
    'dou"ble',
    "back\\slash",
    "back\\nslash",
    "$(reboot)",
    "`id`",
    "*",
    "?",
    "[a]",
    "~",
    "#hash",
    "tab\tname",
    "ünïcödé",
    "bad\udcffbyte",
    "semi;colon",
    "%s%n",
    "=",
    "a=b",
    "sign\x01 in it",
    "piece\x01f 1 644 x",
    "-dir/-file",
    "dir with blank/and\nnewline/x",
    "x" * 200,
)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_any_name(host: LabHost, shell: tuple[str, ...]) -> None:
    agent = AgentOn(host, shell=shell)
    baseline = agent.adopted()
    before = listing(host, "/etc/nginx/")
    base = agent.manifest(baseline)
    changes: dict[str, Content] = {f"odd/{name}": name.encode("utf-8", "surrogateescape") for name in NAMES}
    changes |= {f"exec/{name}": (Kind.EXEC, b"x") for name in NAMES}
    changes |= {f"link/{name}": (Kind.LINK, f"to/{name}") for name in NAMES if "/" not in name}
    first = release_of(base, changes)
    agent.stage(baseline, first, "validate", modes={"odd/**": "0600 www-data:games"})
    agent.activate(first.id, baseline)
    assert agent.manifest() == first.manifest
    # Moved, swapped, changed and gone.
    moved: dict[str, Content] = {f"odd/{name}": None for name in NAMES}
    moved |= {f"moved/{name}": name.encode("utf-8", "surrogateescape") for name in NAMES}
    moved |= {f"exec/{name}": b"x" for name in NAMES[:10]}
    moved |= {f"link/{name}": b"a file now" for name in NAMES if "/" not in name}
    second = release_of(first.manifest, moved, "2")
    agent.stage(first.id, second, "validate")
    agent.activate(second.id, first.id)
    assert agent.manifest() == second.manifest
    modes = host.run(["find", "/etc/nginx/moved/", "-type", "f", "-printf", "%m %u:%g\\n"]).stdout
    assert set(modes.splitlines()) == {"644 root:root"}
    blob = agent.ok("fetch", payload="\0".join([*second.manifest.by_path, "../../passwd", "none", ""]).encode("utf-8", "surrogateescape"), own=False).blob  # fmt: skip # noqa: E501
    assert blob
    agent.restore(baseline)
    assert listing(host, "/etc/nginx/") == before


def test_types_change_both_ways(host: LabHost) -> None:
    agent = AgentOn(host)
    baseline = agent.adopted()
    shapes: list[dict[str, Content]] = [
        {"p": b"file"},
        {"p": (Kind.LINK, "mime.types")},
        {"p/q/r": b"deep", "p/s": (Kind.LINK, "q/r")},
        {"p": (Kind.EXEC, b"file again")},
        {"p/q": b"one"},
        {"p": (Kind.LINK, "conf.d")},
        {"p": b"one"},
    ]
    base = agent.manifest(baseline)
    releases = [release_of(base, shape, f"{n}a") for n, shape in enumerate(shapes)]
    last = baseline
    for release in [*releases, *reversed(releases)]:
        agent.stage(last, release)
        agent.activate(release.id, last)
        assert agent.manifest() == release.manifest
        last = release.id


def test_swapped_files_and_copies(host: LabHost) -> None:
    agent = AgentOn(host)
    baseline = agent.adopted()
    first = release_of(agent.manifest(baseline), {"a": b"A" * 9000, "b": b"B" * 9000, "c": b"C" * 9000})
    agent.stage(baseline, first)
    agent.activate(first.id, baseline)
    host.run(["sh", "-c", "chmod 600 /etc/nginx/a; chown www-data /etc/nginx/a"])
    swap = release_of(
        first.manifest, {"a": b"B" * 9000, "b": b"A" * 9000, "copy": b"C" * 9000, "moved": b"A" * 9000}, "2"
    )
    header, tar = agent.stage_header(first.id, swap)
    assert len(tar) < 60_000
    agent.ok("stage", "validate", payload=tar, **header)
    agent.activate(swap.id, first.id)
    assert host.read("/etc/nginx/a") == "B" * 9000
    assert host.run(["stat", "-c", "%a %U", "/etc/nginx/a", "/etc/nginx/copy"]).stdout.split() == [
        "600",
        "www-data",
        "644",
        "root",
    ]
    assert host.run(["find", "/var/lib/deployer/", "-type", "f", "-links", "+1"]).stdout == ""
    assert host.read(f"/var/lib/deployer/nginx/releases/{first.id}/a") == "A" * 9000


def test_many_files_and_a_large_one(host: LabHost) -> None:
    agent = AgentOn(host)
    baseline = agent.adopted()
    many: dict[str, Content] = {f"many/{n % 50}/{n}.conf": f"# {n}\n".encode() for n in range(5000)}
    first = release_of(agent.manifest(baseline), {**many, "large": bytes(range(256)) * 20_000})
    began = time.monotonic()
    agent.stage(baseline, first)
    print(f"staged 5,000 new files in {time.monotonic() - began:.2f} s")
    agent.activate(first.id, baseline)
    second = release_of(first.manifest, {"many/7/7.conf": b"# changed\n"}, "2")
    began = time.monotonic()
    agent.stage(first.id, second)
    took_s = time.monotonic() - began
    # What a program for each file would take at the least, on this machine and beside what else it does now.
    began = time.monotonic()
    host.run(["sh", "-c", "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i + 1)); done"])
    each_s = 5 * (time.monotonic() - began)
    print(f"staged one change among 5,000 in {took_s:.2f} s; a program for each takes {each_s:.2f} s")
    assert took_s < each_s
    agent.activate(second.id, first.id)
    assert agent.observe().one("disk_hash") == second.manifest.hash


def test_the_main_file_in_every_shape(host: LabHost) -> None:
    agent = AgentOn(host)
    baseline = agent.adopted()
    base = agent.manifest(baseline)
    text = host.read("/etc/nginx/nginx.conf")
    bare = "user www-data; events {} http { server { listen 9181; } }"
    shapes = {
        "no newline at the end": text.rstrip("\n"),
        "several newlines": text + "\n\n\n",
        "a comment last": text + "# the end",
        "no error_log of its own": bare + "\n",
        "no error_log, no newline": bare,
        "an error_log inside": bare.replace("http {", "http { error_log /var/log/nginx/inside.log;"),
        "carriage returns": bare + "\r\n",
        "an earlier identity": bare + "\nerror_log /tmp/x emerg; # deployer identity\n# more\n",
    }
    last = baseline
    for number, (name, shape) in enumerate(shapes.items()):
        release = release_of(base, {"nginx.conf": shape.encode()}, f"{number}b")
        agent.stage(last, release, "validate")
        assert agent.activate(release.id, last).one("memory") == release.id, name
        seen = agent.observe()
        assert (seen.one("disk_hash"), seen.one("drifted")) == (release.manifest.hash, "no"), name
        assert agent.manifest() == release.manifest
        last = release.id
        if "no error_log" in name:
            assert "emerg; error_log stderr; # deployer" in host.read("/etc/nginx/nginx.conf")
    agent.restore(baseline)


def test_preserved_paths_are_carried_both_ways(host: LabHost) -> None:
    script(host, "mkdir -p ssl/live empty; echo old >ssl/live/cert; ln -s live/cert ssl/link")
    reload(host)
    agent = AgentOn(host)
    agent.header |= {"preserve": "[.]/ssl/.*|[.]/modules-enabled/.*"}
    baseline = agent.adopted()
    base = agent.manifest(baseline)
    assert not [path for path in base.by_path if path.startswith(("ssl/", "modules-enabled/"))]
    release = release_of(base, {"conf.d/a.conf": site(9181)})
    agent.stage(baseline, release, "validate")
    # Renewed after staging: outside the hash, so no drift, and carried by the switch.
    script(
        host,
        "echo new >ssl/live/cert; chmod 600 ssl/live/cert; chown www-data ssl/live/cert",
        "echo x >ssl/more",
    )
    assert agent.observe().one("drifted") == "no"
    agent.activate(release.id, baseline)
    assert host.read("/etc/nginx/ssl/link") == "new\n"
    assert host.run(["stat", "-c", "%a %U", "/etc/nginx/ssl/live/cert"]).stdout.split() == ["600", "www-data"]
    host.run(["sh", "-ec", "cd /etc/nginx; echo newer >ssl/live/cert; rm ssl/more"])
    agent.restore(baseline)
    assert host.read("/etc/nginx/ssl/link") == "newer\n"
    assert host.run(["test", "-e", "/etc/nginx/ssl/more"], check=False).returncode == 1
    # What was renewed badly is found before the switch.
    bad = "include /etc/nginx/ssl/included;\n"
    host.run(["sh", "-c", "echo >/etc/nginx/ssl/included"])
    second = release_of(base, {"conf.d/a.conf": bad.encode()}, "2")
    agent.stage(baseline, second)
    host.run(["sh", "-c", "echo nonsense >/etc/nginx/ssl/included"])
    agent.refused(65, "activate", release=second.id, from_=baseline)
    assert agent.observe().one("live") == baseline
