"""Deterministic operation ids: where an operation stands in the workflow.

In the main task of a context the ids are those of AWS's own Python SDK: the hash of ``"{n}"`` in the
root context and of ``"{context operation id}-{n}"`` in a child, n from 1. In a task that workflow code
makes they tell its path in clear, ``{context}-{path}-{n}``, so that a record that no code asks for says
whose it was; where that is longer than an id may be, the path is hashed.
"""

from __future__ import annotations

from hashlib import blake2b

from msgspec import Struct

from durable_execution_sdk.runtime.identity import SMALL_BITS

__all__ = ["MAIN", "Path", "context_prefix", "operation_id", "place_of"]

# The longest id that the service takes (API reference, OperationId).
_LONGEST = 64
# So much of a context's id stands in the ids of its tasks, or of a hash of it.
_CONTEXT_LETTERS = 20
_PATH_HASH_LETTERS = 24
# Maps whose items come from the items of a map are told apart as long as there is room.
_ITEMS_LETTERS = 10
_LONGEST_ITEMS = 40
_ITEMS_PATH_HASH_LETTERS = 16


def operation_id(text: str) -> str:
    """The id of the operation at this place."""
    return blake2b(text.encode()).digest()[:32].hex()


def context_prefix(context_operation_id: str) -> str:
    """What the texts inside a child context start with."""
    return f"{context_operation_id}-"


def place_of(text: str) -> int:
    """A number for hashes of what stands in this place; the same in every process."""
    if not text:
        return 0
    try:
        return int(text[:8], 16) << SMALL_BITS  # the id of a context is a hash already
    except ValueError:
        digest = blake2b(text.encode(), digest_size=4).digest()
        return int.from_bytes(digest, "big") << SMALL_BITS


# What ids start with below any task that goes through a map's items.
ITEMS_OF_MAPS = "items_"


class Path(Struct, frozen=True):
    """The tasks that lead from a context's main task to one of its tasks.

    ``text``: what ids start with, after the context. ``titles``: what people call the tasks.
    ``items``: the start of all ids below the task that goes through a map's items, if this is below one.
    """

    text: str = ""
    titles: tuple[str, ...] = ()
    items: str = ""

    def below(self, component: str, title: str) -> Path:
        """The path of a task that this one makes."""
        return Path(f"{self.text}{component}-", (*self.titles, title), self.items)

    def through_items(self, context: str, number: int) -> Path:
        """The path of the task that goes through a map's items.

        It starts anew, with a hash of where the map stands, and is never hashed away: what such a task
        has recorded is told by the start of its ids.
        """
        where = operation_id(f"{context}{self.text}{number}")[:_ITEMS_LETTERS]
        text = f"{self.items or ITEMS_OF_MAPS}{where}-"
        items = text if len(text) <= _LONGEST_ITEMS else self.items
        return Path(text, (*self.titles, f"the items of map {number}"), items)

    def operation_id(self, context: str, number: int) -> str:
        """The id of this task's number-th operation."""
        if not self.text:
            return operation_id(f"{context}{number}")
        shown = "" if self.items else _shown(context)
        clear = f"{shown}{self.text}{number}"
        if len(clear) <= _LONGEST:
            return clear
        letters = _ITEMS_PATH_HASH_LETTERS if self.items else _PATH_HASH_LETTERS
        hashed = operation_id(f"{context}{self.text}")[:letters]
        return f"{self.items}{hashed}-{number}"


def late_news_id(operation_id_: str) -> str:
    """The id of the note that this operation's end came late; it shifts nothing else."""
    return operation_id(f"{operation_id_}-late")


MAIN = Path()


def _shown(context: str) -> str:
    """How a context is named in the ids of its tasks."""
    name = context.removesuffix("-")
    if not name:
        return ""
    if len(name) == _LONGEST:
        return f"{name[:_CONTEXT_LETTERS]}-"
    if len(name) <= _CONTEXT_LETTERS:
        return context
    return f"{operation_id(name)[:_CONTEXT_LETTERS]}-"
