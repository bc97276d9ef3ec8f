"""Operation ids, computed from the place of an operation in the workflow.

In the main task of a context the ids are those of AWS's own Python SDK: the hash of ``"{n}"`` in the
root context and of ``"{context operation id}-{n}"`` in a child, n from 1. In a task that workflow code
makes they spell its path out, ``{context}-{path}-{n}``, so that the message about a record that no code
asks for can name its task. Where that is longer than an id may be, the path is hashed. ``contexts.scope`` explains
the scheme, with an example.
"""

from __future__ import annotations

from hashlib import blake2b

from msgspec import Struct

from durable_execution_sdk.protocol.limits import MAX_ID_CHARACTERS
from durable_execution_sdk.protocol.operations import STATUS_IDS, is_status
from durable_execution_sdk.runtime.tasks.identity import SMALL_BITS

__all__ = [
    "LIMITS",
    "MAIN",
    "PATCH_NAME",
    "ROOT_IDS",
    "Path",
    "context_prefix",
    "is_marker",
    "is_patch_marker",
    "is_self_numbered",
    "is_unnumbered",
    "known_root_id",
    "needs_wait_id",
    "operation_id",
    "patch_marker_id",
    "place_below",
    "place_of",
    "root_operation_id",
    "status_id",
    "time_limit_id",
    "title_of",
]

# Number of characters of a context's id, or of its hash, in the ids of the context's tasks.
_CONTEXT_LETTERS = 20
_PATH_HASH_LETTERS = 24
# An ``items`` prefix grows by this much for each map that is nested in another map's items, up to a limit.
_ITEMS_LETTERS = 10
_LONGEST_ITEMS = 40
_ITEMS_PATH_HASH_LETTERS = 16


def operation_id(text: str) -> str:
    """Hash the text that stands for a place in the workflow to an operation id of 64 hexadecimal digits."""
    return blake2b(text.encode()).digest()[:32].hex()


# The ids of the handler's own operations are the same in every execution: a warm process keeps the first ones.
# By their numbers, so that threads that add the same one at once do no harm.
ROOT_IDS: dict[int, str] = {}
# A method, as those in ``runtime.current``.
known_root_id = ROOT_IDS.get
_MOST_ROOT_IDS = 1_000

# Spreads numbers that are close to one another; the lower bits are left for the numbers of things.
_SPREAD = 0x9E3779B97F4A7C15
_UPPER_BITS = (1 << 48) - (1 << SMALL_BITS)


def root_operation_id(number: int) -> str:
    """Return the id of the number-th operation of the handler's own context."""
    root_id = ROOT_IDS.get(number)
    if root_id is None:
        root_id = operation_id(str(number))
        if number <= _MOST_ROOT_IDS:
            ROOT_IDS[number] = root_id
    return root_id


def context_prefix(context_operation_id: str) -> str:
    """Return the start of the texts of all operations in a child context."""
    return f"{context_operation_id}-"


def place_of(text: str) -> int:
    """Return a number for ``__hash__`` of the things in this place; it is the same in every process."""
    if not text:
        return 0
    digest = blake2b(text.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") << SMALL_BITS


def place_below(place: int) -> int:
    """Return the number at which the hashes of a task's things start. ``place`` is the task's own hash."""
    return place * _SPREAD & _UPPER_BITS


def title_of(part: str) -> str:
    """Return the name of a task in messages: ``task pay 2`` for the part ``pay_1c9f2e07_2`` of a path."""
    name, _, number = part.rpartition("_")
    return f"task {name.rpartition('_')[0]} {number}" if number.isdecimal() else part


# The name of the operation that holds the place of the end of a call in a thread.
THREAD_NAME = "asyncio thread"

# The name of the WAIT that suspends for a step that needs more time than is left, and the start of its id.
NEEDS_NAME = "time for a step"
_NEEDS = "needs-"

# The names of the timers that asyncio sets in workflow code, and that `Inbox.get` does.
TIMER_NAME = "asyncio timer"
INBOX_TIMER_NAME = "inbox.get timeout"
TIMER_NAMES = frozenset({TIMER_NAME, INBOX_TIMER_NAME})

# Names of operations that the SDK records only if they mattered.
SELF_NUMBERED = TIMER_NAMES | {THREAD_NAME, NEEDS_NAME}

# Start of the ids of operations in a task that iterates over a map's items.
ITEMS_OF_MAPS = "items_"
_TITLE_OF_ITEMS = "the items of map "


class Path(Struct, frozen=True, gc=False):
    """The chain of tasks from a context's main task to one of its tasks.

    ``text`` is the part of the ids after the context. ``parts`` are the parts of the text, which name the tasks. ``items``
    is the common start of all ids below the task that iterates over a map's items; empty outside such a task.
    """

    text: str = ""
    parts: tuple[str, ...] = ()
    items: str = ""

    def below(self, component: str) -> Path:
        """Return the path of a task that this task makes."""
        return Path(f"{self.text}{component}-", (*self.parts, component), self.items)

    def through_items(self, context: str, number: int) -> Path:
        """Return the path of the task that iterates over a map's items.

        It replaces the path so far by a hash of it, and is itself never hashed further: the start of an id
        then shows that such a task recorded the operation.
        """
        where = operation_id(f"{context}{self.text}{number}")[:_ITEMS_LETTERS]
        text = f"{self.items or ITEMS_OF_MAPS}{where}-"
        items = text if len(text) <= _LONGEST_ITEMS else self.items
        return Path(text, (*self.parts, f"{_TITLE_OF_ITEMS}{number}"), items)

    @property
    def to_items(self) -> tuple[str, ...]:
        """The parts up to the last task that iterates over the items of a map; empty outside such a task."""
        last = len(self.parts)
        while last and not self.parts[last - 1].startswith(_TITLE_OF_ITEMS):
            last -= 1
        return self.parts[:last]

    def operation_id(self, context: str, number: int) -> str:
        """Return the id of this task's number-th operation."""
        if not self.text:
            return operation_id(f"{context}{number}")
        shown = _shown(context) if context and not self.items else ""
        clear = f"{shown}{self.text}{number}"
        if len(clear) <= MAX_ID_CHARACTERS:
            return clear
        letters = _ITEMS_PATH_HASH_LETTERS if self.items else _PATH_HASH_LETTERS
        hashed = operation_id(f"{context}{self.text}")[:letters]
        return f"{self.items}{hashed}-{number}"


def late_news_id(operation_id_: str) -> str:
    """Return the id of the note that this operation's end came late. It takes no number from a scope."""
    return operation_id(f"{operation_id_}-late")


# Start of the ids of the markers of patches, and of their names.
_PATCHES = "patch-"
PATCH_NAME = "patch:"
_PATCH_LETTERS = 40


def patch_marker_id(text: str) -> str:
    """Return the id of the marker of a patch. It takes no number from a scope."""
    return f"{_PATCHES}{operation_id(text)[:_PATCH_LETTERS]}"


def needs_wait_id(operation_id_: str, attempt: int, number: int) -> str:
    """Return the id of the number-th WAIT for an attempt of a step that needs more time. It takes no number from a scope."""
    text = f"{operation_id_}|{attempt}|{number}"
    return f"{_NEEDS}{operation_id(text)[:_PATCH_LETTERS]}"


def is_patch_marker(operation_id_: str, name: str | None) -> bool:
    """Return ``True`` for the marker of a patch, which replay need not ask for."""
    return operation_id_.startswith(_PATCHES) and name is not None and name.startswith(PATCH_NAME)


def is_marker(operation_id_: str, name: str | None) -> bool:
    """Return ``True`` for the marker of a patch, a status, and the WAIT of a postponed step: replay need not ask for them."""
    is_of_needs = operation_id_.startswith(_NEEDS) and name == NEEDS_NAME
    return is_of_needs or is_patch_marker(operation_id_, name) or is_status(operation_id_, name)


def status_id(text: str) -> str:
    """Return the id of the record of a status. It takes no number from a scope."""
    return f"{STATUS_IDS}{operation_id(text)[:_PATCH_LETTERS]}"


# Start of the ids of the timers that limit the time of an operation.
LIMITS = "limit-"
_LIMIT_LETTERS = 40


def time_limit_id(operation_id_: str) -> str:
    """Return the id of the timer that limits the time of this operation. It takes no number from a scope."""
    return f"{LIMITS}{operation_id(operation_id_)[:_LIMIT_LETTERS]}"


def is_unnumbered(operation_id_: str, name: str | None) -> bool:
    """Return ``True`` for a record without a number of a scope: a marker, or the timer of a time limit."""
    return operation_id_.startswith(LIMITS) or is_marker(operation_id_, name)


def is_self_numbered(operation_id_: str, name: str | None) -> bool:
    """Return ``True`` for an operation that the SDK records only if it mattered: replay need not ask for it."""
    return name in SELF_NUMBERED or operation_id_.startswith(LIMITS)


MAIN = Path()


def _shown(context: str) -> str:
    """Return the part of a context's prefix that the ids of its tasks carry."""
    name = context.removesuffix("-")
    # A path that is spelt out may be as long as a hash, and its start is that of its siblings' paths.
    if len(name) == MAX_ID_CHARACTERS and "-" not in name:
        return f"{name[:_CONTEXT_LETTERS]}-"
    if len(name) <= _CONTEXT_LETTERS:
        return context
    return f"{operation_id(name)[:_CONTEXT_LETTERS]}-"
