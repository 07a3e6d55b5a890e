"""JSON Schemas for editors, so that a mistake is underlined while it is typed.

The playbook's is made from the types that read it; the inventory's is written down, because Ansible's format
is: groups, hosts, and variables that may be anything but for the few that say how a host is reached.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from deployer.config.connection import NOT_HONOURED
from deployer.model import Amount

if TYPE_CHECKING:
    from pydantic.json_schema import GenerateJsonSchema

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def playbook_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a playbook."""
    from deployer.config.playbook import adapter

    schema = adapter().json_schema(by_alias=True, schema_generator=_generator())
    _say_auto(schema)
    return {"$schema": DRAFT, **schema, "title": "deployer playbook"}


def inventory_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an inventory."""
    variables = {"type": ["object", "null"], "properties": _connection(), "additionalProperties": True}
    group = {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {
            "hosts": {
                "description": "Hosts by name, each with its variables; web[01:20].example.com is a range.",
                "oneOf": [
                    {
                        "type": ["object", "null"],
                        "propertyNames": {"$ref": "#/$defs/name"},
                        "additionalProperties": {"$ref": "#/$defs/variables"},
                    },
                    {"$ref": "#/$defs/name"},
                ],
            },
            "children": {
                "description": "Groups whose hosts are in this group, too.",
                "oneOf": [
                    {
                        "type": ["object", "null"],
                        "propertyNames": {"$ref": "#/$defs/name"},
                        "additionalProperties": {"$ref": "#/$defs/group"},
                    },
                    {"$ref": "#/$defs/name"},
                ],
            },
            "vars": {
                "description": "Variables of every host of the group.",
                "allOf": [{"$ref": "#/$defs/variables"}],
            },
        },
    }
    return {
        "$schema": DRAFT,
        "title": "deployer inventory (Ansible's YAML format)",
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"$ref": "#/$defs/name"},
        "additionalProperties": {"$ref": "#/$defs/group"},
        "$defs": {
            "name": {"type": "string", "pattern": r"^[^-!&@~.\s/,][^\s/,]*$"},
            "group": group,
            "variables": variables,
        },
    }


def _connection() -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    port = {"oneOf": [{"type": "integer", "minimum": 1, "maximum": 65535}, {"type": "string"}]}
    known: dict[str, Any] = {
        "ansible_host": {**text, "description": "Address or name to connect to; otherwise the host's name."},
        "ansible_port": {**port, "description": "SSH port; otherwise the ssh config's, or 22."},
        "ansible_user": {**text, "description": "SSH user; otherwise the ssh config's, or the local user."},
        "ansible_ssh_private_key_file": {**text, "description": "Private key on the controller."},
        "deployer_ssh_config": {**text, "description": "OpenSSH client configuration for this host alone."},
        "deployer_ca": {
            **text,
            "description": "PEM file of authorities to believe for this host, too.",
        },
        "ansible_become": {
            "type": ["boolean", "string", "integer"],
            "description": "Whether sudo -n is used on the host; outranks target.become of the playbook.",
        },
        "ansible_group_priority": {
            "type": ["integer", "string"],
            "description": "Of groups of one depth the higher wins; 1 by default.",
        },
    }
    ignored = {
        name: {"deprecated": True, "description": f"Not honoured: {instead}."}
        for name, instead in NOT_HONOURED.items()
    }
    return {**known, **ignored}


def _generator() -> type[GenerateJsonSchema]:
    from pydantic.json_schema import GenerateJsonSchema

    class Generator(GenerateJsonSchema):
        """Says defaults as the operator would write them, and leaves out titles that repeat the key."""

        def encode_default(self, dft: Any) -> Any:
            return written(dft)

        def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
            return False

    return Generator


def written(value: Any) -> Any:
    """A default as YAML: ``30s``, ``25%``; a section is empty, since its keys have defaults of their own."""
    if isinstance(value, Amount):
        return str(value) if value.percent else value.value
    if isinstance(value, float):  # a duration: nothing else in a playbook is a fraction
        return f"{value * 1000:g}ms" if value % 1 else f"{value:g}s"
    if isinstance(value, tuple):
        return [written(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "ranges"):
        return str(value)
    return {} if is_dataclass(value) else value


def _say_auto(schema: dict[str, Any]) -> None:
    """``None`` is how a default says "none" or "auto" in Python; neither is what one writes."""
    for node in (schema, *schema["$defs"].values()):
        for key, below in node.get("properties", {}).items():
            if "default" in below and below["default"] is None:
                del below["default"]
                if key in ("become", "reload"):
                    below["default"] = "auto"
