"""The rule for unions whose members JSON does not tell apart.

A value is read as the first member whose own JSON is exactly this, else as the first that accepts
it; text and dicts, which accept nearly anything, come last. A member that would be read as another
one is refused when it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from durable_execution_sdk.serdes.decoding import decoder_for, form_name, misfit
from durable_execution_sdk.serdes.foreign import class_of, is_class
from durable_execution_sdk.serdes.parts import Alias, Atom, Shape

__all__ = ["UNIONS", "UnionShape"]

UNIONS = (Union, UnionType)


class UnionShape(Shape):
    """A union, read member by member."""

    def __init__(self, kind: Any, encode: Callable[[Any], bytes]) -> None:
        super().__init__(kind)
        self._encode = encode
        self._groups: list[Shape] = []
        self._last: dict[int, frozenset[type]] = {}

    def finish(self) -> None:
        """Join the members that msgspec reads together: it knows best how to tell those apart."""
        groups: list[Shape] = []
        for part in self.parts:
            for index, group in enumerate(groups):
                both: Any = Union[group.kind, part.kind]  # noqa: UP007 - made at run time
                if group.is_native and part.is_native and decoder_for(both) is not None:
                    groups[index] = Atom(both, group.forms | part.forms)
                    break
            else:
                groups.append(part)
        self._groups = groups
        self._last = {id(group): _accepts_nearly_anything(group) for group in groups}
        self.forms = frozenset().union(*(group.forms for group in groups))

    def take(self, value: Any, path: str) -> Any:
        """The first member whose JSON is exactly this, else the first that takes it."""
        groups = [group for group in self._groups if class_of(value) in group.forms]
        if len(groups) == 1:
            return groups[0].read(value, path)
        groups.sort(key=lambda group: class_of(value) in self._last[id(group)])
        written = msgspec.json.encode(value, order="deterministic")
        accepted: list[Any] = []
        refusals: list[str] = []
        for group in groups:
            try:
                made = group.read(value, path)
                again = msgspec.json.decode(self._encode(made))
                if msgspec.json.encode(again, order="deterministic") == written:
                    return made
            except Exception as error:
                refusals.append(str(error))
            else:
                accepted.append(made)
        if accepted:
            return accepted[0]
        if not refusals:
            refusals = [str(misfit(", ".join(sorted(map(form_name, self.forms))), value, path))]
        raise msgspec.ValidationError(f"No member of the union fits: {'; '.join(refusals)}")


def _accepts_nearly_anything(shape: Shape) -> frozenset[type]:
    """The forms of plain data for which it should only be asked after the others."""
    while isinstance(shape, Alias):
        shape = shape.parts[0]
    kinds = get_args(shape.kind) if get_origin(shape.kind) in UNIONS else (shape.kind,)
    origins = [get_origin(each) or each for each in kinds]
    if Any in origins:
        return shape.forms
    last: set[type] = {str} if str in origins else set()
    if any(is_class(each) and issubclass(each, Mapping) for each in origins):
        last.add(dict)
    return frozenset(last)
