"""Which shapes msgspec reads by itself, parts and all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from durable_execution_sdk.serdes.decoding import decoder_for
from durable_execution_sdk.serdes.parts import Shape

__all__ = ["settle"]


def settle(shapes: Sequence[Shape], root: Shape) -> None:
    """Find out which of the shapes of a type msgspec reads, and let each prepare to read.

    One with a part that msgspec does not read is taken apart. msgspec is only asked for those that it
    would not look at as parts of others, since a decoder is slow to make.
    """
    users: dict[int, list[Shape]] = defaultdict(list)
    for shape in shapes:
        for part in shape.parts:
            users[id(part)].append(shape)
    todo = [shape for shape in shapes if not shape.is_native]
    asked: set[int] = set()
    while True:
        while todo:
            for user in users[id(todo.pop())]:
                if user.is_native:
                    user.is_native = False
                    todo.append(user)
        for shape in shapes:
            if shape.is_native and id(shape) not in asked and _is_alone(shape, users, root):
                asked.add(id(shape))
                if decoder_for(shape.kind) is None:
                    shape.is_native = False
                    todo.append(shape)
        if not todo:
            break
    for shape in reversed(shapes):
        shape.finish()


def _is_alone(shape: Shape, users: Mapping[int, list[Shape]], root: Shape) -> bool:
    """Whether msgspec does not look at it as a part of another."""
    return shape is root or any(user.is_opaque or not user.is_native for user in users[id(shape)])
