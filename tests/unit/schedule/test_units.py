"""The units that are written: accepted by systemd, tight, and exact whatever a path is called."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from deployer.schedule.cron import cron_command
from deployer.schedule.installing import crontab, systemd_files
from deployer.schedule.units import Order, argument, marked, unit_name

need_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
ODD = ("a b", "50%", "%n", "$HOME", "${X}", 'q"q', "b\\s", "'", ";", "#", "é", "*", "-x", "a=b", "")


def order(tmp_path: Path, **changes: object) -> Order:
    given: dict[str, object] = {
        "name": "deployer-lab",
        "inventory": "lab",
        "part": "",
        "project": str(tmp_path),
        "lease": "lab 0123456789ab",
        "calendar": "Mon..Fri 10:00",
        "argv": ("/bin/echo", "deploy", "lab"),
        "user": "root",
        "home": "/home/nobody",
        "writes": ("/var/lib/deployer-state", "/home/nobody/.cache/deployer"),
        "delay_s": 120,
    }
    return Order(**{**given, **changes})  # type: ignore[arg-type]


def written(tmp_path: Path, made: Order) -> list[Path]:
    paths = [tmp_path / name for name in systemd_files(made)]
    for path, text in zip(paths, systemd_files(made).values(), strict=True):
        path.write_text(text)
    return paths


@need_systemd
def test_systemd_accepts_the_units_and_finds_them_tight(tmp_path: Path) -> None:
    project = tmp_path / "50% of it"
    project.mkdir()
    paths = written(tmp_path, order(tmp_path, project=str(project), on_failure="mail@%n.service"))
    argv = ["systemd-analyze", "verify", *map(str, paths)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    complaints = [line for line in done.stderr.splitlines() if "deployer-lab" in line]
    # The unit of OnFailure= is not there: that, and nothing else, may be said.
    assert [line for line in complaints if "mail@" not in line] == []
    argv = ["systemd-analyze", "security", "--offline=true", str(paths[0])]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found, said
    assert float(found[1]) <= 2.3, said  # of root, with a project in /tmp; else 1.7


@need_systemd
def test_systemd_reads_every_argument_as_it_was_meant(tmp_path: Path) -> None:
    (path, _) = written(tmp_path, order(tmp_path, argv=("/nonexistent/50% of", *ODD)))
    argv = ["systemd-analyze", "verify", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert "Command /nonexistent/50% of is not executable" in done.stderr, done.stderr
    assert "Ignoring" not in done.stderr


def test_no_percent_sign_and_no_dollar_is_left_to_systemd() -> None:
    for text in ODD:
        assert not re.search(r"(?<!%)(%%)*%(?!%)", argument(text)), text
        assert "$" not in argument(text).replace("$$", ""), text


def test_a_shell_reads_every_argument_of_a_crontab_as_it_was_meant(tmp_path: Path) -> None:
    line = cron_command(("printf", "%s\\n", *ODD), str(tmp_path)).removesuffix(" >/dev/null")
    assert not re.search(r"(?<!\\)%", line)
    shell = line.replace("\\%", "%")  # as cron does, before the shell sees it
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines() == list(ODD)


def test_files_are_known_again_by_their_mark(tmp_path: Path) -> None:
    made = order(tmp_path, inventory="50% é\n", part="web:!web3")
    for text in (*systemd_files(made).values(), crontab(made, user=True)):
        said = marked(text)
        assert said is not None
        assert (said["inventory"], said["part"], said["lease"]) == ("50% é\n", "web:!web3", made.lease)
    assert marked("[Timer]\nOnCalendar=daily\n") is None


def test_a_temporary_directory_is_private_unless_the_project_lies_in_it() -> None:
    away = order(Path("/srv/project"))
    assert "PrivateTmp=yes" in systemd_files(away)["deployer-lab.service"]
    inside = systemd_files(order(Path("/tmp/project")))["deployer-lab.service"]
    assert "PrivateTmp" not in inside
    assert "-/tmp" in inside


def test_homes_are_hidden_when_nothing_needed_is_in_them() -> None:
    away = order(Path("/srv/project"), home="/var/lib/deployer", writes=("/var/lib/deployer-state",))
    assert "ProtectHome=yes" in systemd_files(away)["deployer-lab.service"]
    assert "ProtectHome=read-only" in systemd_files(order(Path("/srv/project")))["deployer-lab.service"]


def test_names_of_units_are_names_of_files_of_cron_too() -> None:
    assert unit_name("production") == "deployer-production"
    odd = {unit_name(name) for name in ("a b", "a_b", "a/b", "ä", "%n")}
    assert len(odd) == 5
    assert all(re.fullmatch("[A-Za-z0-9_-]+", name) for name in odd)


def test_the_crontab_line(tmp_path: Path) -> None:
    (mark, line) = crontab(order(tmp_path), user=False).splitlines()
    assert mark.startswith("#")
    assert line == f"0 10 * * 1-5 cd {shlex.quote(str(tmp_path))} && /bin/echo deploy lab --quiet >/dev/null"
