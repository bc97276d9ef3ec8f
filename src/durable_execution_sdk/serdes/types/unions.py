"""Read unions, also those whose members look alike in JSON.

Plain data is read as the first member that writes the same JSON again, else as the first that accepts
it; ``str`` and mappings, which accept nearly anything, are tried last. A value that would be read as
another member is refused when it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from durable_execution_sdk.serdes.foreign import class_of, decoder_for, form_name, is_class, misfit
from durable_execution_sdk.serdes.types.parts import Alias, Atom, Shape

__all__ = ["UNIONS", "UnionShape"]

UNIONS = (Union, UnionType)


class UnionShape(Shape):
    """A union, read member by member."""

    def __init__(self, kind: object, encode: Callable[[object], bytes]) -> None:
        super().__init__(kind)
        self._encode = encode
        self._groups: list[Shape] = []
        self._last: dict[int, frozenset[type]] = {}

    def finish(self) -> None:
        """Group the members that msgspec can read as one union, so that msgspec distinguishes them."""
        groups: list[Shape] = []
        for part in self.parts:
            for index, group in enumerate(groups):
                both: object = Union[group.kind, part.kind]  # noqa: UP007 - made at run time
                if group.is_native and part.is_native and decoder_for(both) is not None:
                    groups[index] = Atom(both, group.forms | part.forms)
                    break
            else:
                groups.append(part)
        self._groups = groups
        self._last = {id(group): _accepts_nearly_anything(group) for group in groups}
        self.forms = frozenset().union(*(group.forms for group in groups))

    def take(self, value: object, path: str) -> object:
        """Read as the first member that writes the same JSON again, else the first that accepts it."""
        groups = [group for group in self._groups if class_of(value) in group.forms]
        if len(groups) == 1:
            return self._read_only(groups[0], value, path)
        groups.sort(key=lambda group: class_of(value) in self._last[id(group)])
        written = msgspec.json.encode(value, order="deterministic")
        accepted: list[object] = []
        refusals: list[str] = []
        for group in groups:
            try:
                instance = group.read(value, path)
                rewritten = msgspec.json.decode(self._encode(instance))
                if msgspec.json.encode(rewritten, order="deterministic") == written:
                    return instance
            except Exception as error:
                refusals.append(str(error))
            else:
                accepted.append(instance)
        if accepted:
            return accepted[0]
        if not refusals:
            refusals = [str(misfit(", ".join(sorted(map(form_name, self.forms))), value, path))]
        raise msgspec.ValidationError(f"No member of the union fits: {'; '.join(refusals)}")

    def _read_only(self, group: Shape, value: object, path: str) -> object:
        """Read as the only group of members with this form; an error is that of the only such member."""
        try:
            return group.read(value, path)
        except msgspec.ValidationError:
            parts = [part for part in self.parts if class_of(value) in part.forms]
            if len(parts) == 1:
                parts[0].read(value, path)  # raises the same error, with the exact path
            raise


def _accepts_nearly_anything(shape: Shape) -> frozenset[type]:
    """Return the forms of plain data for which this member is tried after the others."""
    while isinstance(shape, Alias):
        shape = shape.parts[0]
    kinds = get_args(shape.kind) if get_origin(shape.kind) in UNIONS else (shape.kind,)
    origins = [get_origin(origin) or origin for origin in kinds]
    if Any in origins:
        return shape.forms
    last: set[type] = {str} if str in origins else set()
    if any(is_class(origin) and issubclass(origin, Mapping) for origin in origins):
        last.add(dict)
    return frozenset(last)
