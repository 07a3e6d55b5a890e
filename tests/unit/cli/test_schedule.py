"""``deployer schedule`` as it is typed, and what an unattended run says where no host answers."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.cli import setup
from deployer.cli.common import Common
from deployer.journal import Store
from deployer.journal.lease import Lease, Owner
from deployer.running.leasing import lease_name
from deployer.schedule import installing
from deployer.schedule.due import Trouble
from deployer.watch.outside import ask_journal
from tests.conftest import need_root
from tests.unit.cli.conftest import Call
from tests.unit.project import Project

DAILY = ("--on-calendar", "Mon..Fri 10:00")
RUN = ("deploy", "lab", "--yes", "--unattended", "--on-calendar", "daily", "--ssh-config", "ssh_config")


def test_printed_units_deploy_what_was_typed(project: Project, call: Call) -> None:
    ran = call("schedule", "lab", *DAILY, "--limit", "web1", "--lock-wait", "0", "--ssh-config", "ssh_config")
    assert ran.code == 0, ran
    assert "# --- deployer-lab.service" in ran.out
    assert "# --- deployer-lab.timer" in ran.out
    (line,) = re.findall(r"^ExecStart=.*", ran.out, re.MULTILINE)
    here = project.path
    assert line.endswith(
        " deploy lab --yes --unattended --recover --lock-wait 0s --on-calendar "
        f'"Mon..Fri 10:00" --project {here} --limit web1 --ssh-config {here}/ssh_config'
    )
    assert f"ReadWritePaths=-{os.environ['HOME']}/.local/state/deployer" in ran.out
    assert "Due next: " in ran.err
    assert call("schedule", "--list").code == 0  # printing has left nothing behind


def test_a_crontab_line_and_json(project: Project, call: Call) -> None:
    ran = call("schedule", "lab", *DAILY, "--cron", "--json")
    document = json.loads(ran.out)
    assert (ran.code, document["exit_code"], document["installed"]) == (0, 0, False)
    assert document["files"]["crontab"].splitlines()[1].startswith(f"0 10 * * 1-5 cd {project.path} && ")
    assert document["next"].endswith("10:00 UTC")


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (("lab",), "when? Say --on-calendar"),
        ((), "which INVENTORY?"),
        (("lab", "--on-calendar", "noon"), "'noon' is no day of the week"),
        (("lab", *DAILY, "--print", "--install"), "--print and --install do not go together"),
        (("lab", *DAILY, "--user", "nobody-of-that-name"), "there is no user 'nobody-of-that-name'"),
        (("lab", *DAILY, "--unit", "../x"), "is no name of a unit"),
        (("lab", "--on-calendar", "*:*:0/10", "--cron"), "cron does not know seconds"),
        (("lab", *DAILY, "--cron", "--on-failure", "x.service"), "--on-failure is systemd's"),
        (("lab", *DAILY, "--state", "postgresql://u:secret@h/d"), "name it with --environment-file"),
        (("laboratory", *DAILY), "there is no inventory 'laboratory'"),
    ],
)
def test_wrong_use_ends_in_a_sentence(project: Project, call: Call, typed: tuple[str, ...], why: str) -> None:
    ran = call("schedule", *typed)
    assert ran.code == 2, ran
    assert why in ran.err
    assert "secret" not in ran.err.replace("--environment-file", "")


def test_a_password_is_in_no_unit(project: Project, call: Call, tmp_path: Path) -> None:
    url, file = "postgresql://u:s3cret@db.example.com/d", tmp_path / "environment"
    ran = call("schedule", "lab", *DAILY, "--state", url, "--environment-file", str(file))
    assert ran.code == 0, ran
    assert "s3cret" not in ran.out
    assert f"EnvironmentFile={file}" in ran.out


def test_on_calendar_goes_with_unattended(project: Project, call: Call) -> None:
    ran = call("deploy", "lab", "--yes", "--on-calendar", "daily")
    assert ran.code == 2
    assert "goes with --unattended" in ran.err


def test_removing_what_is_not_there_is_no_failure(project: Project, call: Call) -> None:
    ran = call("schedule", "lab", "--remove")
    assert (ran.code, ran.out) == (0, "there is no schedule of lab here: nothing to remove\n")


# --- a file of cron's


@pytest.fixture
def cron(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Directories of this test's own in the place of the machine's."""
    need_root()
    monkeypatch.delenv("SUDO_USER", raising=False)
    for name in ("CRON", "UNITS"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(installing, name, tmp_path / name)
    return tmp_path / "CRON"


def test_a_file_of_cron_is_written_listed_replaced_and_removed(
    project: Project, call: Call, cron: Path
) -> None:
    install = ("schedule", "lab", "--cron", "--install", "--on-calendar")
    ran = call(*install, "Mon..Fri 10:00")
    assert ran.code == 0, ran
    assert f"wrote {cron}/deployer-lab" in ran.out
    assert "\n0 10 * * 1-5 root cd " in (cron / "deployer-lab").read_text()
    assert call(*install, "daily").code == 0
    assert "\n0 0 * * * root cd " in (cron / "deployer-lab").read_text()
    listed = call("schedule", "--list")
    assert listed.code == 0
    assert "lab: deployer-lab (cron), daily" in listed.out
    assert "last run: none since it was installed on " in listed.out
    # Another part of the fleet is another schedule, and needs another name.
    other = call(*install, "daily", "--limit", "web1")
    assert other.code == 2
    assert "is the schedule of lab" in other.err
    assert call(*install, "daily", "--limit", "web1", "--unit", "deployer-web1").code == 0
    assert call("schedule", "lab", "--remove").out == "removed lab: deployer-lab (cron)\n"
    assert [path.name for path in cron.iterdir()] == ["deployer-web1"]
    rows = json.loads(call("schedule", "--list", "--json").out)["schedules"]
    assert [row["unit"] for row in rows] == ["deployer-web1"]


def test_what_was_written_above_the_line_stays_and_variables_are_roots(
    project: Project, call: Call, cron: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install = ("schedule", "lab", "--cron", "--install", *DAILY)
    path = cron / "deployer-lab"
    monkeypatch.setattr(installing, "SENDMAIL", tmp_path / "sendmail")
    monkeypatch.setenv("XDG_CACHE_HOME", "/srv/cache")  # a run by cron has no such variable of its own
    told = call(*install)
    assert "nobody will hear of a run that fails" in told.err
    assert f"try it now, as root: cd {project.path} && env XDG_CACHE_HOME=/srv/cache " in told.out
    assert path.stat().st_mode & 0o777 == 0o644
    mark, line = path.read_text().splitlines()
    assert line.endswith(" --quiet >/dev/null")
    path.write_text(f"{mark}\nMAILTO=ops@example.com\n{line}\n")
    (tmp_path / "sendmail").touch()
    variables = tmp_path / "variables"
    variables.write_text(
        f"# of the journal\nDEPLOYER_STATE=sqlite:///{tmp_path}/s3cret.db\nTOKEN='a \"b\"'\n"
    )
    for _ in range(2):  # what was copied is not taken for somebody's own
        ran = call(*install, "--environment-file", str(variables))
        assert (ran.code, ran.err) == (0, "")
        assert path.read_text().splitlines()[1:] == [
            "MAILTO=ops@example.com",
            f"# copied from {variables}; after a change of it install the schedule again",
            f'DEPLOYER_STATE="sqlite:///{tmp_path}/s3cret.db"',
            "TOKEN='a \"b\"'",
            line.replace(" --quiet", f" --state sqlite:///{tmp_path}/s3cret.db --quiet"),
        ]
        assert path.stat().st_mode & 0o777 == 0o600
    printed = call("schedule", "lab", "--cron", *DAILY, "--environment-file", str(variables))
    assert 'a "b"' not in printed.out + printed.err
    assert f"nobody but root may read them: {variables}" in printed.out


def test_what_somebody_else_wrote_is_left_alone(project: Project, call: Call, cron: Path) -> None:
    (cron / "deployer-lab").write_text("# mine\n")
    ran = call("schedule", "lab", "--cron", "--install", "--on-calendar", "daily")
    assert ran.code == 2
    assert "is not ours: give the schedule another name with --unit" in ran.err
    assert (cron / "deployer-lab").read_text() == "# mine\n"
    assert call("schedule", "lab", "--remove").code == 0
    assert (cron / "deployer-lab").exists()


# --- a run


@pytest.fixture
def taken(project: Project) -> Iterator[None]:
    """Somebody else is at work on the inventory."""
    context = setup.load("lab", Common(project=project.path))
    with Store.open() as store:
        owner = Owner("20240612-141500-aaaa", "deploy", who="ann@ops1", host="ops1")
        lease = Lease(store, lease_name(context), owner, lambda _now: None)
        assert lease.answer(lease.ask()).granted
        yield
        lease.release()


@pytest.mark.slow
@pytest.mark.usefixtures("taken")
def test_a_run_that_finds_somebody_at_work_waits_so_long_and_leaves_once_aloud(call: Call) -> None:
    ran = call(*RUN, "--lock-wait", "1s")
    assert ran.code == 3, ran
    assert "is still taken after 1.0 s by ann@ops1" in ran.err
    again = call(*RUN)
    assert (again.code, again.err) == (0, "")
    assert again.out.startswith("lab: still refused, as told "), again
    assert call("deploy", "lab", "--yes", "--ssh-config", "ssh_config").code == 3


def test_hosts_that_are_away_are_told_once_and_a_new_schedule_begins_anew(
    project: Project, call: Call
) -> None:
    first = call(*RUN)
    assert (first.code, first.out) == (3, ""), first
    assert "UNREACHABLE" in first.err
    again = call(*RUN, "--json")
    assert again.code == 0, again
    document = json.loads(again.out)
    assert (document["outcome"], document["exit_code"]) == ("refused", 0)
    listed = call("schedule", "lab", "--list")
    assert listed.code == 6
    assert "REFUSED: the unattended deployment of lab: refused since" in listed.out
    other = call(*RUN, "--limit", "web1")  # another part of the fleet is another schedule
    assert other.code == 3
    rows = json.loads(call("schedule", "lab", "--list", "--json").out)["schedules"]
    assert [row["limit"] for row in rows] == [None, "web1"]
    assert "removed lab" in call("schedule", "lab", "--remove").out
    assert call(*RUN).code == 3


def test_what_cron_mails_begins_with_how_it_ended(project: Project, call: Call) -> None:
    first = call(*RUN, "--quiet")
    assert (first.code, first.out) == (3, "")
    verdict, why, *_ = first.err.splitlines()
    assert verdict.startswith("Refused: nothing was changed on any host"), first.err
    assert why.startswith("Why:"), first.err
    again = call(*RUN, "--quiet")
    assert (again.code, again.err) == (0, "")  # nothing is mailed


@pytest.mark.usefixtures("taken")
def test_also_where_it_ends_before_it_has_begun(call: Call) -> None:
    ran = call(*RUN, "--quiet", "--lock-wait", "1s")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("deployer: "), ran.err
    assert "ann@ops1" in ran.err.splitlines()[0]


def test_a_schedule_that_cannot_read_its_files_says_so_each_time_and_is_seen_to_fail(
    project: Project, call: Call
) -> None:
    whole = (project.path / "playbooks/nginx.yml").read_text()
    assert call(*RUN).code == 3
    project.write("playbooks/nginx.yml", "sauce: {}\n")
    for _ in range(2):
        ran = call(*RUN)
        assert ran.code == 2
        assert "nginx.yml" in ran.err
    listed = call("schedule", "--list")
    assert listed.code == 6
    assert "FAILED: the unattended deployment of lab: the last run (" in listed.out, listed
    assert "sauce" in listed.out
    project.write("playbooks/nginx.yml", whole)
    # As watch has it from the same journal; its own reading of the playbook is an older one.
    (verdict,) = ask_journal(setup.load("lab", Common(project=project.path))).schedules
    assert verdict.trouble is Trouble.FAILED
    assert call(*RUN).code == 3, "what was told before it is told again"
