"""Determine which shapes msgspec can read together with all their parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from durable_execution_sdk.serdes.foreign import decoder_for
from durable_execution_sdk.serdes.types.parts import Shape

__all__ = ["settle"]


def settle(shapes: Sequence[Shape], root: Shape) -> None:
    """Clear ``is_native`` of shapes that msgspec does not read whole, then finish all shapes.

    A shape is not native if one of its parts is not. Making a msgspec decoder is slow, so one is only
    made for shapes that are not covered by the decoder of an enclosing shape.
    """
    users: dict[int, list[Shape]] = defaultdict(list)
    for shape in shapes:
        for part in shape.parts:
            users[id(part)].append(shape)
    todo = [shape for shape in shapes if not shape.is_native]
    checked: set[int] = set()
    while True:
        while todo:
            for user in users[id(todo.pop())]:
                if user.is_native:
                    user.is_native = False
                    todo.append(user)
        for shape in shapes:
            if shape.is_native and id(shape) not in checked and _is_alone(shape, users, root):
                checked.add(id(shape))
                if decoder_for(shape.kind) is None:
                    shape.is_native = False
                    todo.append(shape)
        if not todo:
            break
    for shape in reversed(shapes):
        shape.finish()


def _is_alone(shape: Shape, users: Mapping[int, list[Shape]], root: Shape) -> bool:
    """Tell whether no enclosing shape's decoder covers this shape."""
    return shape is root or any(user.is_opaque or not user.is_native for user in users[id(shape)])
