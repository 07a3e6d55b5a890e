"""The JSON Schemas for editors."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    what: Annotated[str, typer.Argument(metavar="playbook|inventory", help="Which file's schema.")],
) -> None:
    """Print the JSON Schema of a playbook or inventory."""
    from json import dumps

    from deployer.cli.streams import tell
    from deployer.config.schema import inventory_schema, playbook_schema
    from deployer.errors import UsageError

    known = {"playbook": playbook_schema, "inventory": inventory_schema}
    if what not in known:
        raise UsageError(f"there is no schema for {what!r}; it is playbook or inventory")
    tell(dumps(known[what](), indent=2))
