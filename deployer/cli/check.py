"""``deployer check``: the lint, for a person, a pre-commit hook or a CI job. No host is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployer.cli.common import HERE, Common, errors_told, files_told
from deployer.cli.streams import err, tell
from deployer.errors import UsageError

if TYPE_CHECKING:
    from deployer.config.playbook import Playbook
    from deployer.lint.trees import Tree
    from deployer.planning.context import Context

FORMATS = ("text", "json", "sarif")


def check(
    inventory: Annotated[
        str | None,
        typer.Argument(metavar="INVENTORY", help="Check what its hosts would get; otherwise a directory."),
    ] = None,
    *,
    rev: Annotated[
        str | None,
        typer.Option(
            envvar="DEPLOYER_REV", help="Branch, tag or commit; otherwise source.ref of the playbook."
        ),
    ] = None,
    tree: Annotated[
        Path | None,
        typer.Option(metavar="DIR", envvar="DEPLOYER_TREE", help="A directory as it is, not yet in git."),
    ] = None,
    format_: Annotated[
        str,
        typer.Option("--format", metavar="text|json|sarif", envvar="DEPLOYER_FORMAT", help="How it is told."),
    ] = "text",
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", envvar="DEPLOYER_DEEP", help="Ask gixy too, if it is installed; it only advises."
        ),
    ] = False,
    limit: Annotated[
        str | None,
        typer.Option(envvar="DEPLOYER_LIMIT", help="Only these hosts: an Ansible pattern (web:!web3)."),
    ] = None,
    project: Annotated[
        Path, typer.Option(envvar="DEPLOYER_PROJECT", help="Project directory.", show_default="here")
    ] = HERE,
    playbook: Annotated[
        str | None,
        typer.Option(
            envvar="DEPLOYER_PLAYBOOK", help="Name or path of a playbook; not needed when there is only one."
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", envvar="DEPLOYER_JSON", help="One JSON document on stdout.")
    ] = False,
) -> None:
    """Look for what breaks users although nginx accepts it.

    No host is touched. Exit 3 when a deployment would be refused for it.
    """
    if format_ not in FORMATS:
        raise UsageError(f"--format {format_!r} is not known; it is text, json or sarif")
    chosen = "json" if json else format_
    common = Common(limit=limit, project=project, playbook=playbook, json=json)
    with errors_told(chosen == "json"):
        with files_told():
            _fits(inventory, rev, tree)
        if inventory is not None:
            trees, book, context = _of_inventory(inventory, rev, tree, common)
        else:
            with files_told():
                trees, book, context = _of_directory(tree), None, None
        below = tree if tree is not None else Path(book.source.path) if book is not None else HERE
        prefix = "" if below == HERE else f"{below.as_posix().rstrip('/')}/"
        _finish(trees, book, context, chosen, prefix, deep=deep)


def _fits(inventory: str | None, rev: str | None, tree: Path | None) -> None:
    from deployer.cli import setup

    setup.not_empty("--rev", rev)
    if rev is not None and tree is not None:
        raise UsageError("--rev is a commit and --tree a directory: say one of them")
    if rev is not None and inventory is None:
        raise UsageError("--rev needs an inventory, for its playbook says where the repository is")
    if tree is not None and not tree.is_dir():
        raise UsageError(f"there is no directory {tree}; see --tree")


_Trees = list[tuple["Tree", list[str]]]


def _of_inventory(
    inventory: str, rev: str | None, tree: Path | None, common: Common
) -> tuple[_Trees, Playbook, Context]:
    from deployer.cli import setup
    from deployer.lint.trees import of_release
    from deployer.planning.linting import check_ids, is_nginx, rendered_trees
    from deployer.planning.propose import resolve

    context = setup.load(inventory, common)
    book = context.playbook
    check_ids(book)
    if not is_nginx(book):
        raise UsageError(f"{book.path}: its validator is not nginx, so there is nothing that check knows of")
    if tree is not None:
        try:
            return rendered_trees(context, tree), book, context
        except OSError as error:
            raise UsageError(f"{tree} cannot be read: {error.strerror or error}") from error
    _, releases = resolve(context, rev)
    hosts: dict[str, list[str]] = {}
    for name, release in releases.items():
        hosts.setdefault(release.id, []).append(name)
    distinct = {release.id: release for release in releases.values()}
    return [(of_release(r, book.target.directory), hosts[i]) for i, r in distinct.items()], book, context


def _of_directory(tree: Path | None) -> _Trees:
    from deployer.lint.trees import MAIN, holds_any, of_directory

    directory = tree if tree is not None else HERE
    if tree is None and not (directory / MAIN).is_file():
        raise UsageError("there is no nginx.conf here: name an inventory, or a directory with --tree DIR")
    try:
        found = of_directory(directory)
    except OSError as error:
        raise UsageError(f"{directory} cannot be read: {error.strerror or error}") from error
    if not (found.templates or holds_any(found)):
        raise UsageError(f"{directory} holds nothing that looks like nginx's: nothing was looked at")
    return [(found, [])]


def _finish(
    trees: _Trees, book: Playbook | None, context: Context | None, chosen: str, prefix: str, *, deep: bool
) -> None:
    from deployer.cli import findings
    from deployer.planning.linting import lint_trees

    hide = context.veil.hide if context is not None else str
    linted = lint_trees(trees, book, hide=hide)
    notes = [*linted.notes, *_notes(trees, context)]
    advice = _advice(trees, hide) if deep else None
    code = 3 if linted.refusing else 0
    if chosen == "json":
        tell(findings.as_json(linted, notes, advice, code))
    elif chosen == "sarif":
        tell(findings.as_sarif(linted, prefix))
    else:
        tell("\n".join(findings.text_lines(linted, advice, prefix)))
    if chosen != "json":
        for note in notes:
            err(f"deployer: {note}\n")
    raise typer.Exit(code)


def _notes(trees: _Trees, context: Context | None) -> list[str]:
    templates = sorted({name for tree, _ in trees for name in tree.templates})
    if not templates or context is not None:
        return []
    shown = ", ".join(templates[:3]) + (" …" if len(templates) > 3 else "")
    return [f"{len(templates)} template(s) not checked ({shown}): name an inventory to have them rendered"]


def _advice(trees: _Trees, hide: Callable[[str], str]) -> list[str]:
    from deployer.lint.gixy import advice

    return list(dict.fromkeys(hide(line) for tree, _ in trees for line in advice(tree.files)))
