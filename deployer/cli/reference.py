"""The reference in docs/reference/, written from the program itself.

``python -m deployer.cli.reference docs/reference`` writes it anew; a test holds the pages to the program.
What the words mean is told on the pages that people write (docs/commands.md, docs/playbook.md …).
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

MARK = "\n<!-- Written by deployer.cli.reference: edit the program, not this page. -->\n"


def options() -> str:
    """Every command with its arguments and options."""
    import typer

    from deployer.cli.main import app

    text = [
        "# Every command and option",
        "",
        "As the program knows them. What they do, and what `--json` holds: [commands](../commands.md).",
    ]
    for name, command in _commands(typer.main.get_command(app)):
        arguments = [
            p.metavar if p.required else f"[{p.metavar.strip('[]')}]"
            for p in command.params
            if p.param_type_name == "argument"
        ]
        text += ["", f"## {name}", f"`deployer {' '.join([name, *arguments])}`: {_first(command.help)}", ""]
        rows = [_option(p) for p in command.params if p.param_type_name == "option" and p.name != "help"]
        if rows:
            text += ["| option | takes | default | variable |", "|---|---|---|---|", *rows]
    return "\n".join(text) + "\n"


def _commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _option(option: Any) -> str:
    flags = ", ".join(f"`{flag}`" for flag in sorted(option.opts, key=len, reverse=True))
    if option.is_flag or option.count:
        takes, default = "", ""
    else:
        takes = f"`{option.metavar or option.name.upper()}`" + (", repeatable" if option.multiple else "")
        shown = option.show_default if isinstance(option.show_default, str) else option.default
        default = "" if shown is None else f"`{shown}`"
    return f"| {flags} | {_cell(takes)} | {_cell(default)} | `{option.envvar}` |"


def playbook() -> str:
    """Every key of a playbook, from its JSON Schema."""
    from deployer.config.schema import playbook_schema

    schema = playbook_schema()
    text = [
        "# Every key of a playbook",
        "",
        "From the schema that `deployer schema playbook` prints.",
        "With reasons and examples: [the playbook](../playbook.md).",
    ]
    for path, node, needed in _sections(schema, "", schema):
        rows = [_key(path, key, below, schema, key in needed) for key, below in node.items()]
        text += ["", f"## {path or 'Top level'}", "| key | takes | default | |", "|---|---|---|---|", *rows]
    return "\n".join(text) + "\n"


def _sections(
    schema: Mapping[str, Any], path: str, node: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], list[str]]]:
    """Each mapping of known keys, from the outside inwards."""
    yield path, node["properties"], node.get("required", [])
    for key, below in node["properties"].items():
        inner, listed = _mapping(schema, below)
        if inner is not None:
            yield from _sections(schema, f"{path}.{key}".lstrip(".") + ("[]" if listed else ""), inner)


def _mapping(schema: Mapping[str, Any], node: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, bool]:
    """The mapping of known keys that a value may be, and whether a list of such is meant."""
    for each in (node, *node.get("anyOf", ()), *node.get("oneOf", ())):
        resolved = _resolved(schema, each)
        if "properties" in resolved:
            return resolved, False
        if "items" in resolved and "properties" in (item := _resolved(schema, resolved["items"])):
            return item, True
    return None, False


def _resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref")
    found: Mapping[str, Any] = schema["$defs"][reference.rpartition("/")[2]] if reference else node
    return found


def _key(path: str, key: str, node: Mapping[str, Any], schema: Mapping[str, Any], needed: bool) -> str:
    inner, listed = _mapping(schema, node)
    whole = f"{path}.{key}".lstrip(".") + ("[]" if listed else "")
    takes = ", ".join(dict.fromkeys(_takes(schema, node)))
    if inner is not None:
        takes = f"[{whole}](#{re.sub(r'[^a-z_]', '', whole)})" + (f", or {takes}" if takes else "")
    default = "required" if needed else _default(node)
    said = node.get("description") or _resolved(schema, node).get("description", "")
    return f"| `{key}` | {_cell(takes)} | {_cell(default)} | {_cell(said)} |"


def _default(node: Mapping[str, Any]) -> str:
    """A section has none: its keys have defaults of their own."""
    default = node.get("default")
    return "" if default is None or default == {} else f"`{_written(default)}`"


KINDS = {
    "string": "text",
    "integer": "number",
    "boolean": "`true`, `false`",
    "array": "list",
    "object": "mapping",
}


def _takes(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[str]:
    resolved = _resolved(schema, node)
    if "properties" in resolved or "properties" in _resolved(schema, resolved.get("items", {})):
        return
    if choices := [*resolved.get("anyOf", ()), *resolved.get("oneOf", ())]:
        for each in choices:
            yield from _takes(schema, each)
    elif "enum" in resolved:
        yield from (f"`{_written(each)}`" for each in resolved["enum"])
    elif "const" in resolved:
        yield f"`{_written(resolved['const'])}`"
    elif resolved.get("type") == "integer" and "minimum" in resolved:
        most = f"to {resolved['maximum']}" if "maximum" in resolved else "or more"
        yield f"{resolved['minimum']} {most}"
    elif isinstance(kind := resolved.get("type"), str):
        yield KINDS.get(kind, f"`{kind}`")


def _written(value: Any) -> str:
    from json import dumps

    return value if isinstance(value, str) else dumps(value)


def inventory() -> str:
    """The variables of an inventory that mean something to the program."""
    from deployer.config.connection import NOT_HONOURED
    from deployer.config.schema import inventory_schema

    variables = inventory_schema()["$defs"]["variables"]["properties"]
    honoured = [(name, below) for name, below in variables.items() if name not in NOT_HONOURED]
    return "\n".join(
        [
            "# Variables of an inventory",
            "",
            "All others are for templates.",
            "The format, and what is read as in Ansible: [the inventory](../inventory.md).",
            "",
            "## Honoured",
            "| variable | |",
            "|---|---|",
            *(f"| `{name}` | {_cell(below['description'])} |" for name, below in honoured),
            "",
            "## Not honoured",
            "Each is named in a warning where an inventory sets it.",
            "",
            "| variable | instead |",
            "|---|---|",
            *(f"| `{name}` | {_cell(instead)} |" for name, instead in NOT_HONOURED.items()),
            "",
        ]
    )


def errors() -> str:
    """The exit codes and the tree of errors, with the page that helps."""
    from deployer import errors as tree

    classes = [
        each for each in vars(tree).values() if inspect.isclass(each) and issubclass(each, tree.DeployerError)
    ]
    outcomes = _outcomes()
    codes = []
    for code in sorted({*outcomes, *(each.exit_code for each in classes)}):
        ended = ", ".join(f"`{each}`" for each in outcomes.get(code, ()))
        codes.append(f"| {code} | {ended} | {_page(tree.RUNBOOKS.get(code))} |")
    rows = []
    for each in classes:
        above = f"`{each.__bases__[0].__name__}`" if each is not tree.DeployerError else ""
        page = _page(tree.RUNBOOKS.get(each.exit_code) if each.page is None else each.page)
        said = _cell(_first(each.__doc__))
        rows.append(f"| `{each.__name__}` | {above} | {each.exit_code} | {said} | {page} |")
    return ERRORS.format(codes="\n".join(codes), rows="\n".join(rows))


ERRORS = """\
# Exit codes and errors

An exit code answers *is the fleet safe?*. Every error is one sentence on standard error, and where a page
helps a line `Help:` names it (`help` in the `--json` document).

## Exit codes
| code | outcomes of a deployment | page |
|---|---|---|
{codes}

1 is a bug in the program; 2 is wrong use, and nothing was touched. In words:
[commands](../commands.md#exit-codes).

## Errors
| error | is a | exit code | means | page |
|---|---|---|---|---|
{rows}
"""


def _outcomes() -> dict[int, list[str]]:
    from deployer.model import EXIT_CODE

    found: dict[int, list[str]] = {}
    for outcome, code in EXIT_CODE.items():
        found.setdefault(code, []).append(outcome.value)
    return found


def _page(page: str | None) -> str:
    if not page:
        return ""
    path = page.removeprefix("docs/")
    return f"[{path.partition('#')[2] or Path(path).stem}](../{path})"


def agent() -> str:
    """The agent's verbs and answers, from its own text."""
    from deployer.host import program, reply

    parts = {p: files("deployer.host").joinpath(f"sh/{p}.sh").read_text() for p in program.PARTS}
    called = _methods()
    rows = []
    for part, text in parts.items():
        for verb, body in re.findall(r"^do_(\w+)\(\) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
            refuses = ", ".join(sorted({*re.findall(r"\bfail (\d\d) ", body)}))
            rows.append(
                f"| `{verb}` | `deployer/host/sh/{part}.sh` | {refuses} | {_cell(called.get(verb, ''))} |"
            )
    codes = []
    for code in sorted(
        {int(code) for text in parts.values() for code in re.findall(r"\bfail (\d\d) ", text)}
    ):
        error = reply.failure(reply.VerbAnswer("", {}, code), "")
        codes.append(f"| {code} | `{type(error).__name__}` |")
    return AGENT.format(protocol=reply.PROTOCOL, rows="\n".join(sorted(rows)), codes="\n".join(codes))


AGENT = """\
# The agent's verbs

From the text of the agent, protocol {protocol}. What each takes and answers: [the agent](../agent.md#verbs).

| verb | written in | refuses by itself with | in short |
|---|---|---|---|
{rows}

What all verbs share (ownership, the lock, the header) refuses on its own besides.

## Answers
| code | becomes |
|---|---|
{codes}
"""


def _methods() -> dict[str, str]:
    """What the controller's side says of each verb that has a call of its own name."""
    from deployer.host import agent as controller

    tree = ast.parse(inspect.getsource(controller))
    methods = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
    return {node.name: re.sub(r":\w+:`(\w+)`", r"\1", _first(ast.get_docstring(node))) for node in methods}


def metrics() -> str:
    """What a watch exposes, asked of a fleet without hosts."""
    from deployer.watch.findings import FLEET_KINDS, HOST_KINDS
    from deployer.watch.metrics import Exposition
    from deployer.watch.now import Now

    rows = []
    for family in Exposition(lambda: Now("", {}, {}, 0.0, 0.0)).collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = ", ".join(f"`{label}`" for label in vars(family)["_labelnames"])
        rows.append(f"| `{name}` | {family.type} | {labels} | {_cell(family.documentation)} |")
    kinds = {"host": HOST_KINDS, "fleet": FLEET_KINDS}
    conditions = [f"| `{kind.value}` | {of} |" for of, each in kinds.items() for kind in each]
    return METRICS.format(rows="\n".join(sorted(rows)), conditions="\n".join(conditions))


METRICS = """\
# Metrics

What `deployer watch` serves with `--listen`, and writes with `--textfile`. What they are for, alert rules and
a dashboard: [monitoring](../monitoring/README.md).

| name | type | labels | |
|---|---|---|---|
{rows}

## Conditions
Values of the label `condition` ([what each means](../monitoring/README.md#conditions)).

| condition | of a |
|---|---|
{conditions}
"""


def _first(text: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((text or "").strip().partition("\n\n")[0].split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<").replace("``", "`")


PAGES: Mapping[str, Callable[[], str]] = {
    "options.md": options,
    "playbook.md": playbook,
    "inventory.md": inventory,
    "errors.md": errors,
    "agent.md": agent,
    "metrics.md": metrics,
}


def written(name: str) -> str:
    """A page as it has to be."""
    return PAGES[name]() + MARK  # behind: the first line is the title


if __name__ == "__main__":
    for each in PAGES:
        Path(sys.argv[1], each).write_text(written(each))
