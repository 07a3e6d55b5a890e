"""``--help`` says everything, quickly; completion; the page of all commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from deployer import __version__
from deployer.cli.commands import NAMES
from deployer.cli.main import program
from deployer.model import EXIT_CODE
from tests.unit.cli.commands import arguments, commands, options
from tests.unit.cli.conftest import Call
from tests.unit.test_house import HEAVY

PAGE = Path(__file__).parents[3] / "docs/commands.md"

#: What DESIGN.md promises and is there by now.
PROMISED = {
    "init": "",
    "check": "--rev --tree --format --deep --json",
    "adopt": "--export --undo --accept-unproven",
    "plan": "--rev --limit",
    "deploy": "--rev --limit --yes --prepare-only --fix-forward --overwrite-drift --accept-deletions"
    " --recover --lock-wait --break-glass",
    "rollback": "--to --list --limit --yes --no-quarantine --break-glass",
    "notify test": "--to",
    "quarantine list": "",
    "quarantine release": "--yes",
    "recover": "--limit --yes",
    "status": "--limit",
    "watch": "--once --listen --interval --textfile --limit",
    "unlock": "--yes",
    "schedule": "--on-calendar --install --print --cron --list --remove",
    "history": "--host --revision --outcome --since --until --around --minutes",
    "show": "--format --measure",
    "staging up": "--name --hosts-per-group --limit",
    "staging down": "--json",
    "staging status": "--json",
    "lab up": "",
    "lab down": "",
    "lab status": "",
    "drill list": "",
    "drill start": "--auto --json",
    "drill end": "--json",
}
QUARANTINE = ("quarantine list", "quarantine release")
ON_INVENTORY = (
    *(
        "adopt",
        "plan",
        "deploy",
        "rollback",
        "recover",
        "status",
        "watch",
        "unlock",
        "schedule",
        "notify test",
        "staging up",
    ),
    *QUARANTINE,
)
COMMON = "--project --playbook --ssh-config --state --json --log --verbose --quiet"


@pytest.mark.parametrize("name", sorted(commands()))
def test_help_documents_every_option(name: str, call: Call) -> None:
    ran = call(*name.split(), "--help")
    assert (ran.code, ran.err) == (0, "")
    command = commands()[name]
    text = " ".join(ran.out.split())
    for option in options(command):
        assert option.help, (name, option.name)
        for flag in option.opts:
            assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text), (name, flag)
    for argument in arguments(command):
        assert argument.metavar, (name, argument.name)
    assert call(*name.split(), "-h").out == ran.out


def test_the_commands_of_today_and_none_of_tomorrow(call: Call) -> None:
    ran = call("--help")
    assert ran.code == 0
    listed = re.findall(r"^  ([a-z]+)  ", ran.out, re.MULTILINE)
    assert set(listed) == {name.partition(" ")[0] for name in commands()}


@pytest.mark.parametrize("name", ["", *sorted({n.partition(" ")[0] for n in commands() if " " in n})])
def test_a_list_of_commands_says_whole_sentences(
    name: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = call(*name.split(), "--help")
    assert ran.code == 0
    assert "..." not in ran.out.partition("Commands:")[2]


def test_the_version(call: Call) -> None:
    assert call("--version").out == f"deployer {__version__}\n"


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_every_promised_option_is_there_and_has_its_variable(name: str) -> None:
    there = {flag: option for option in options(commands()[name]) for flag in option.opts}
    wanted = PROMISED[name].split()
    if name in ON_INVENTORY:
        wanted += COMMON.split()
    assert set(wanted) <= set(there)
    for flag, option in there.items():
        assert str(option.envvar).startswith("DEPLOYER_"), (name, flag)


def test_a_variable_means_the_same_everywhere() -> None:
    flags: dict[str, set[str]] = {}
    for command in commands().values():
        for option in options(command):
            flags.setdefault(option.envvar, set()).add(option.opts[0])
    assert {variable: names for variable, names in flags.items() if len(names) > 1} == {}


def test_one_command_alone_is_built_by_its_name() -> None:
    everything: Any = get_command(program())
    assert set(everything.commands) == NAMES
    for name in NAMES:
        alone: Any = get_command(program(name))
        assert list(alone.commands) == [name]


def loaded_for(*helps: str) -> dict[str, set[str]]:
    """The heavy modules that one process has loaded after the help of each of these commands, one by one."""
    script = (
        "import json, sys\nfrom deployer.cli.main import run\nloaded = {}\n"
        f"for name in {helps!r}:\n"
        "    assert run([*name.split(), '--help']) == 0, name\n"
        f"    loaded[name] = sorted({HEAVY!r} & {{m.partition('.')[0] for m in sys.modules}})\n"
        "print(json.dumps(loaded))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return {name: set(found) for name, found in json.loads(done.stdout.splitlines()[-1]).items()}


def test_nothing_heavy_is_loaded_for_help() -> None:
    assert loaded_for("") == {"": set()}
    names = sorted(commands())
    # Typer itself reads what is typed after a command with pydantic.
    assert {name: found - {"pydantic"} for name, found in loaded_for(*names).items()} == {
        name: set() for name in names
    }


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script(call: Call, shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1"
    )  # or it asks who started the tests
    ran = call("--show-completion", shell)
    assert ran.code == 0
    assert "deployer" in ran.out
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=ran.out, text=True, check=True, timeout=30)


def test_completion_knows_the_commands() -> None:
    env = {"_DEPLOYER_COMPLETE": "complete_bash", "COMP_WORDS": "deployer ro", "COMP_CWORD": "1"}
    script = "from deployer.cli.main import app\napp(prog_name='deployer')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False, env=env
    )
    assert done.stdout.strip() == "rollback"


# --- docs/commands.md


def row(option: Any) -> str:
    """The line of an option in the page."""
    flags = ", ".join(f"`{flag}`" for flag in sorted(option.opts, key=len, reverse=True))
    return f"| {flags} | `{option.envvar}` | {option.help} |".replace("<", "\\<")


def section(name: str) -> str:
    """What the page says of one command."""
    found = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{PAGE.name} lacks '## {name}'"
    return found[1]


def shared() -> set[str]:
    """The variables that all commands on an inventory share."""
    told = section("Options of all commands on an inventory")
    return set(re.findall(r"`(DEPLOYER_\w+)`", told))


@pytest.mark.parametrize("name", sorted(commands()))
def test_the_page_lists_every_command_and_option(name: str) -> None:
    command, text = commands()[name], section(name)
    on_inventory = name in ON_INVENTORY
    for option in options(command):
        if on_inventory and option.envvar in shared():
            continue
        assert row(option) in text
    for argument in arguments(command):
        assert argument.metavar in text
    assert str(command.help).splitlines()[0] in text


def test_the_page_lists_the_shared_options() -> None:
    text = section("Options of all commands on an inventory")
    every = [{o.envvar for o in options(c)} for n, c in commands().items() if n in ("plan", "status")]
    for option in options(commands()["status"]):
        assert row(option) in text
    assert shared() == set.intersection(*every)


def test_the_readme_names_every_command() -> None:
    readme = (PAGE.parent.parent / "README.md").read_text()
    names = {name.partition(" ")[0] for name in commands()}
    assert {name for name in names if not re.search(rf"deployer {name}\b", readme)} == set()


def test_the_page_names_nothing_that_is_not_there() -> None:
    headings = set(re.findall(r"^## (.+)$", PAGE.read_text(), re.MULTILINE))
    assert headings - {"Options of all commands on an inventory", "Exit codes"} == set(commands())
    known = {flag for c in commands().values() for o in options(c) for flag in o.opts}
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE.read_text()))
    assert used <= known | {"--help", "--install-completion", "--show-completion"}


def test_the_page_lists_every_exit_code() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE)}
    assert codes == {*EXIT_CODE.values(), 1, 2}


@pytest.mark.parametrize("what", ["playbook", "inventory"])
def test_schema_prints_a_json_schema(call: Call, what: str) -> None:
    import jsonschema

    ran = call("schema", what)
    assert ran.code == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(ran.out))
