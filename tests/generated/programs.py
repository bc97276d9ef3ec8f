"""Programs as trees of statements and operations, and the generator of random ones.

A ``Kind`` makes and writes the nodes of one kind; ``statements`` and ``operations`` register theirs here.
Each kind belongs to a feature, so that a run can leave out kinds that are known to fail.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.generated.rendering import Writer


@dataclass(frozen=True)
class Node:
    """A statement or an operation."""

    kind: str
    data: dict[str, Any] = field(default_factory=dict)
    blocks: tuple[tuple[Node, ...], ...] = ()
    ops: tuple[Node, ...] = ()

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it."""
        yield self
        for op in self.ops:
            yield from op.walk()
        for block in self.blocks:
            for node in block:
                yield from node.walk()


Block = tuple[Node, ...]
Make = Callable[[random.Random], dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    """The maker and writer of the nodes of one kind.

    ``racy``: the outcome depends on time, so two executions need not agree. ``emit`` writes a statement, or
    returns the expression of an operation.
    """

    name: str
    emit: Callable[[Writer, Node], Any]
    feature: str
    racy: bool | Callable[[dict[str, Any]], bool]
    weight: int
    make: Make
    blocks: tuple[int, int]
    ops: tuple[int, int]
    fails: bool | Callable[[dict[str, Any]], bool] = False

    def is_racy(self, data: dict[str, Any]) -> bool:
        return self.racy(data) if callable(self.racy) else self.racy


STATEMENTS: dict[str, Kind] = {}
OPERATIONS: dict[str, Kind] = {}


def _register(table: dict[str, Kind], options: dict[str, Any]) -> Callable[[Any], Any]:
    def add(emit: Any) -> Any:
        kind = {
            "feature": "core",
            "racy": False,
            "weight": 2,
            "make": lambda _: {},
            "blocks": (0, 0),
            "ops": (0, 0),
            **options,
        }
        name = emit.__name__.rstrip("_")
        table[name] = Kind(name=name, emit=emit, **kind)
        return emit

    return add


def statement(**options: Any) -> Callable[[Any], Any]:
    """Register a kind of statement under the name of the function that writes it."""
    return _register(STATEMENTS, options)


def operation(**options: Any) -> Callable[[Any], Any]:
    """Register a kind of operation."""
    return _register(OPERATIONS, options)


# Features that every program may have.
CORE = frozenset({"core", "races", "threads"})
# Features that a run turns on by name: kinds of statements, and (the last five) checks and schedules.
EXTRA = (
    "patches",
    "streams",
    "sets",
    "pending",
    "futures",
    "timeouts",
    "limits",
    "giveup",
    "anyio",
    "spin",
    "foreign",
    "all_tasks",
    "factory",
    "swallow",
    "many_threads",
    "changed",
    "logs",
    "late",
    "deadlines",
    "refusals",
)
ALL = CORE | frozenset(EXTRA)
# Kinds that may be refused with a message, which fails the execution.
REFUSABLE = frozenset({"direct_task", "meddling", "all_tasks"})
REFUSALS = ("ConfigError", "ContextMisuseError", "DeadlockError", "made with asyncio.Task(...)")
# May leave what it waits for unseen.
GIVING_UP = frozenset(
    {
        *("timeout", "timeout_past", "wait_for_op", "wait_for_job", "first_only", "cancel"),
        *(
            "cancels_itself",
            "move_on",
            "cancel_scope",
            "all_tasks",
            "gather",
            "group",
            "loose",
            "raced",
            *("limited_child", "limited_virtual", "limited_map", "limited_parallel"),
            *("limited_invoke", "limited_poll", "limited_retry"),
        ),
        *REFUSABLE,
    }
)
# What becomes of the handler whose task is among those of ``all_tasks``, when their gather is cancelled.
SELF_CANCELLED = ("the handler cancelled its own task",)


@dataclass(frozen=True)
class Program:
    """A tree, with the seed that it was made from."""

    body: Block
    seed: int = 0
    fails: bool = False
    # The source of a program that was read from a file, and so has no tree.
    source: str | None = None

    def walk(self) -> Iterator[Node]:
        for node in self.body:
            yield from node.walk()

    @property
    def kinds(self) -> frozenset[str]:
        if self.source:
            return frozenset(STATEMENTS) & frozenset(re.findall(r"\w+", self.source))
        return frozenset(node.kind for node in self.walk())

    @property
    def size(self) -> int:
        return sum(1 for _ in self.walk())

    @property
    def is_racy(self) -> bool:
        """True if two executions may have different results."""
        return bool(self.source) or any(kind_of(n).is_racy(n.data) for n in self.walk())


def kind_of(node: Node) -> Kind:
    return OPERATIONS.get(node.kind) or STATEMENTS[node.kind]


class Grower:
    """The generator of trees within a budget of nodes."""

    def __init__(
        self, seed: int, features: Iterable[str], kinds: frozenset[str] | None = None
    ) -> None:
        self.rng = random.Random(seed)
        self.budget = self.rng.choice((4, 7, 10, 14, 20))
        features = frozenset(features)

        def chosen(table: dict[str, Kind]) -> list[Kind]:
            return [each for each in table.values() if each.feature in features]

        self.statements = chosen(STATEMENTS)
        self.operations = chosen(OPERATIONS)
        if kinds:
            self.statements = [k for k in self.statements if k.name in kinds] or self.statements
        # With few kinds, a program has each of them often enough to combine them.
        if self.rng.random() < 0.5:
            self.statements = self.rng.sample(self.statements, min(5, len(self.statements)))
            plain = [STATEMENTS["await_op"]]
            self.statements += plain

    def block(self, depth: int, most: int = 3) -> Block:
        """Make a few statements."""
        count = self.rng.randint(1, most)
        nodes = []
        for _ in range(count):
            if nodes and self.budget <= 0:
                break
            nodes.append(self.statement(depth))
        return tuple(nodes)

    def statement(self, depth: int) -> Node:
        leafy = depth >= 3 or self.budget <= 0
        kinds = [k for k in self.statements if not (leafy and k.blocks[1])] or [
            STATEMENTS["await_op"]
        ]
        return self.node(self.pick(kinds), depth)

    def op(self, depth: int) -> Node:
        leafy = depth >= 3 or self.budget <= 0
        kinds = [k for k in self.operations if not (leafy and k.blocks[1])]
        return self.node(self.pick(kinds), depth)

    def node(self, kind: Kind, depth: int) -> Node:
        self.budget -= 1
        data = kind.make(self.rng)
        ops = tuple(self.op(depth + 1) for _ in range(self.rng.randint(*kind.ops)))
        blocks = tuple(self.block(depth + 1, 2) for _ in range(self.rng.randint(*kind.blocks)))
        return Node(kind.name, data, blocks, ops)

    def pick(self, kinds: list[Kind]) -> Kind:
        return self.rng.choices(kinds, [kind.weight for kind in kinds])[0]


def grow(seed: int, features: Iterable[str] = CORE, kinds: frozenset[str] | None = None) -> Program:
    """Make the program of this seed."""
    grower = Grower(seed, features, kinds)
    body = grower.block(0, 4)
    return Program(body, seed, fails=grower.rng.random() < 0.06)


def in_sequence(program: Program) -> Program | None:
    """Return the program with its first gather written as a sequence; ``None`` if it has none.

    A recorded history of one of the two does not fit the other.
    """
    changed = False

    def change(node: Node) -> Node:
        nonlocal changed
        if (
            not changed
            and node.kind in ("gather", "gather_same")
            and not node.data.get("sequential")
        ):
            changed = True
            return replace(node, data={**node.data, "sequential": True})
        return node

    body = tuple(change(node) for node in program.body)
    return replace(program, body=body) if changed else None
