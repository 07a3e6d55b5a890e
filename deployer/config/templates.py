"""Variables that are made of other variables: ``"{{ inventory_hostname }}.example.com"``.

Ansible resolves them when they are used; here it is done when the inventory is read, in a sandbox. What
cannot be resolved (a lookup, a filter that is Ansible's own, an unknown name) becomes an
:class:`~deployer.config.opaque.Opaque`, which harms only who uses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from deployer.config.opaque import Opaque, Verbatim
from deployer.errors import UsageError

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

_LONE = re.compile(r"\{\{[-+]?(.*?)[-+]?\}\}", re.DOTALL)

MAX_DEPTH = 20
MAX_LENGTH = 1_000_000


def resolve(variables: Mapping[str, Any], besides: Mapping[str, Any]) -> dict[str, Any]:
    """The variables with every template in them replaced by what it says.

    :param besides: names that templates may use, too, unless a variable has the name.
    """
    if not any(_has_template(value) for value in variables.values()):
        return dict(variables)
    return _Resolver(variables, besides).all()


def _has_template(value: Any) -> bool:
    if isinstance(value, str):
        return ("{{" in value or "{%" in value) and not isinstance(value, Verbatim)
    if isinstance(value, dict):
        return any(map(_has_template, value.values()))
    return isinstance(value, list) and any(map(_has_template, value))


class _Resolver:
    def __init__(self, raw: Mapping[str, Any], besides: Mapping[str, Any]) -> None:
        self._raw, self._besides = raw, besides
        self._done: dict[str, Any] = {name: value for name, value in raw.items() if not _has_template(value)}
        self._open: list[str] = []

    def all(self) -> dict[str, Any]:
        return {name: self._variable(name) for name in self._raw}

    def _variable(self, name: str) -> Any:
        if name in self._done:
            return self._done[name]
        if name in self._open:
            return Opaque(f"it is defined by itself: {' → '.join((*self._open, name))}", name)
        if len(self._open) >= MAX_DEPTH:
            return Opaque(f"more than {MAX_DEPTH} variables are made of each other", name)
        self._open.append(name)
        try:
            value = self._value(self._raw[name], name)
        finally:
            self._open.pop()
        self._done[name] = value
        return value

    def _value(self, value: Any, name: str) -> Any:
        if isinstance(value, dict):
            return {key: self._value(item, name) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value(item, name) for item in value]
        return self._text(value, name) if _has_template(value) else value

    def _text(self, text: str, name: str) -> Any:
        from jinja2 import TemplateError

        # No value and no text of a template is in what is said: either may hold a password.
        try:
            needed, render = _compiled(text)
            known = {other: self._variable(other) for other in needed & self._raw.keys()}
            result = render({**self._besides, **known})
        except TemplateError as error:
            return Opaque(f"its template cannot be resolved: {error.message}", name)
        except UsageError as error:  # an Opaque was used
            return Opaque(f"its template needs another one: {error}", name)
        except Exception as error:  # whatever an expression can raise: 1/0, a missing key
            return Opaque(f"its template fails with {type(error).__name__}", name)
        if isinstance(result, str) and len(result) > MAX_LENGTH:
            return Opaque(f"its template makes more than {MAX_LENGTH} characters", name)
        return result


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)


@lru_cache(maxsize=4096)
def _compiled(text: str) -> tuple[frozenset[str], Callable[[Mapping[str, Any]], Any]]:
    """The variables that a template uses, and what renders it.

    As in Ansible, one lone expression keeps its type, so ``"{{ ports }}"`` may be a list.
    """
    from jinja2 import meta, nodes

    tree = _environment().parse(text)
    names, body = frozenset(meta.find_undeclared_variables(tree)), tree.body
    if len(body) == 1 and isinstance(body[0], nodes.Output) and len(body[0].nodes) == 1:
        lone = _LONE.fullmatch(text)
        if lone and not isinstance(body[0].nodes[0], nodes.TemplateData):
            expression = _environment().compile_expression(lone[1], undefined_to_none=False)
            return names, lambda variables: _defined(expression(variables))
    return names, _environment().from_string(text).render


def _defined(value: Any) -> Any:
    from jinja2 import Undefined

    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    return value
