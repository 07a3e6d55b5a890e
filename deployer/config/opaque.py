"""Values of an inventory that are there but cannot be used as they are."""

from __future__ import annotations

from typing import NoReturn

from deployer.errors import UsageError


class Verbatim(str):
    """Text marked ``!unsafe``: never taken for a template."""

    __slots__ = ()


class Opaque:
    """A variable whose value is not known here: encrypted, or a template that cannot be resolved.

    It may lie in an inventory and do no harm; only who uses it gets the error, which says why.
    """

    __slots__ = ("name", "why")

    def __init__(self, why: str, name: str | None = None) -> None:
        self.why, self.name = why, name

    def _refuse(self, *_: object) -> NoReturn:
        what = f"the variable {self.name}" if self.name else "a variable"
        raise UsageError(f"{what} cannot be used: {self.why}")

    def __repr__(self) -> str:
        return f"<no value: {self.why}>"

    # Everything a template does with a value ends in one of these.
    __str__ = __html__ = __bool__ = __len__ = __iter__ = __getitem__ = __contains__ = _refuse
    __int__ = __float__ = __add__ = __radd__ = __lt__ = __gt__ = __le__ = __ge__ = __call__ = _refuse
    __eq__ = __ne__ = __mod__ = __mul__ = __format__ = _refuse
    __hash__ = None  # type: ignore[assignment]
