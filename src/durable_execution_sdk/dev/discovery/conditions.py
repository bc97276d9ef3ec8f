"""The conditions and the tables of a template, as the defaults of its parameters decide them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

__all__ = ["NO_VALUE", "Conditions", "looked_up"]

NO_VALUE = {"Ref": "AWS::NoValue"}

_Resolve = Callable[[Any], Any]


class Conditions:
    """The conditions of a template. One that cannot be decided here holds: its first branch is the one that runs."""

    def __init__(self, tree: Mapping[str, Any], resolve: _Resolve) -> None:
        self._tree = tree
        self._resolve = resolve
        # A condition may name itself, by mistake.
        self._deciding: set[str] = set()

    def holds(self, name: str) -> bool:
        """Tell if a condition holds."""
        return self._named(name) is not False

    def _named(self, name: str) -> bool | None:
        if name in self._deciding or name not in self._tree:
            return None
        self._deciding.add(name)
        found = self._decided(self._tree[name])
        self._deciding.remove(name)
        return found

    def _decided(self, value: Any) -> bool | None:
        """Return the truth of an expression; ``None`` if it is not known here."""
        match value:
            case {"Condition": str(name)}:
                return self._named(name)
            case {"Fn::Equals": [left, right]}:
                texts = self._resolve(left), self._resolve(right)
                known = all(isinstance(each, str | int | float) for each in texts)
                return str(texts[0]) == str(texts[1]) if known else None
            case {"Fn::Not": [part]}:
                found = self._decided(part)
                return None if found is None else not found
            case {"Fn::And": [*parts]}:
                return _settled([self._decided(each) for each in parts], by=False)
            case {"Fn::Or": [*parts]}:
                return _settled([self._decided(each) for each in parts], by=True)
            case _:
                return None


def _settled(truths: list[bool | None], *, by: bool) -> bool | None:
    """Return the truth of a list of parts, of which one that is ``by`` settles it."""
    if by in truths:
        return by
    return None if None in truths else not by


def looked_up(mappings: Mapping[str, Any], arguments: list[Any], resolve: _Resolve) -> Any:
    """Return the value in a table (``Fn::FindInMap``), or the default that is given; no value if there is neither."""
    found: Any = mappings
    for key in arguments[:3]:
        part = str(resolve(key))
        if not isinstance(found, Mapping) or part not in found:
            return next((resolve(each) for each in map(_default, arguments[3:])), NO_VALUE)
        found = cast("Mapping[str, Any]", found)[part]
    return found


def _default(value: Any) -> Any:
    return (
        cast("Mapping[str, Any]", value).get("DefaultValue") if isinstance(value, Mapping) else None
    )
