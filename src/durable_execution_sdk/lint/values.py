"""The values that names of a workflow function hold, as far as reading its assignments tells.

One function is seen at a time, without regard to the order of its lines: a name holds all that the
function binds to it or puts into it.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import TypeVar

from durable_execution_sdk.lint.names import dotted
from durable_execution_sdk.lint.scope import Names
from durable_execution_sdk.lint.workflows import OPERATIONS

_T = TypeVar("_T")


class Kind(Enum):
    """The members of a set: tasks and operations, plain futures, or anything else."""

    VALUES = auto()
    TASKS = auto()
    FUTURES = auto()


_SETS = frozenset({"set", "frozenset"})
_SET_METHODS = frozenset(
    {"union", "intersection", "difference", "symmetric_difference", "copy"}
)  # of a set they make a set
_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
_TASK_MAKERS = frozenset({"create_task", "ensure_future", "start_soon"})
_COMBINED = frozenset({"asyncio.gather", "asyncio.shield"})


class Values:
    """The values of the names of one workflow function."""

    def __init__(self, function: ast.AST, context: str, names: Names) -> None:
        self._context = context
        self._names = names
        # The values that a name is bound to; `None` for one that is not known, as of a parameter.
        self._bound: dict[str, list[ast.expr | None]] = defaultdict(list)
        self._put: dict[str, list[ast.expr]] = defaultdict(list)
        self._drawn: dict[str, list[ast.expr]] = defaultdict(list)
        self._waited: dict[str, list[ast.expr]] = defaultdict(list)
        self._resolving: set[str] = set()
        for node in ast.walk(function):
            self._learn(node)

    def kind_of_set(self, node: ast.expr) -> Kind | None:
        """The kind of the members if the expression is a set, or else nothing."""
        match node:
            case ast.Set() | ast.SetComp():
                return self._kind(self._members(node))
            case ast.Call(func=ast.Name(id=name), args=args) if name in _SETS:
                return self._kind([each for arg in args for each in self._members(arg)])
            case ast.Call(func=func) if self._names.of(func) == "asyncio.all_tasks":
                return Kind.TASKS
            case ast.Call(func=ast.Attribute(value=owner, attr=method)) if method in _SET_METHODS:
                return self.kind_of_set(owner)
            case ast.BinOp(left=left, op=operator, right=right) if isinstance(
                operator, _SET_OPERATORS
            ):
                return self.kind_of_set(left) or self.kind_of_set(right)
            case ast.Name(id=name):
                return self._once(name, lambda: self._kind_of_name(name), None)
            case _:
                return None

    def has_bare_futures(self, node: ast.expr) -> bool:
        """Tell whether a collection has futures that are made with ``asyncio.Future(...)``."""
        return any(self._is_bare(each) for each in self._members(node))

    def _learn(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._assign(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, value)
            case ast.NamedExpr(target=target, value=value):
                self._assign(target, value)
            case ast.AugAssign(target=ast.Name(id=name), op=ast.BitOr(), value=value):
                self._put[name].append(ast.Starred(value))
            case (
                ast.For(target=ast.Name(id=name), iter=drawn)
                | ast.comprehension(target=ast.Name(id=name), iter=drawn)
            ):
                self._bound[name].append(None)
                self._drawn[name].append(drawn)
            case ast.arg(arg=name):
                self._bound[name].append(None)
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="add" | "append"), args=args
            ):
                self._put[name] += args
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="update" | "extend"), args=args
            ):
                self._put[name] += [ast.Starred(each) for each in args]
            case _:
                pass

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._bound[target.id].append(value)
            return
        given = _given_to_wait(value, self._names)
        for each in target.elts if isinstance(target, ast.Tuple | ast.List) else []:
            if isinstance(each, ast.Name) and given is not None:
                self._waited[each.id].append(given)
            elif isinstance(each, ast.Name):
                self._bound[each.id].append(None)

    def _kind_of_name(self, name: str) -> Kind | None:
        if self._waited[name]:
            # It may be a list first and a set later, and then only what asyncio.wait makes counts.
            members = [m for each in self._waited[name] for m in self._members(each)]
            members += [m for each in self._bound[name] if each for m in self._members(each)]
            return Kind.FUTURES if self._kind(members) is Kind.FUTURES else Kind.TASKS
        bound = self._bound[name]
        kinds = [None if each is None else self.kind_of_set(each) for each in bound]
        if not kinds or None in kinds:
            return None
        filled = {kind for kind, each in zip(kinds, bound, strict=True) if not _is_empty(each)}
        if self._put[name]:
            filled.add(self._kind(self._put_into(name)))
        return next((kind for kind in (Kind.FUTURES, Kind.VALUES) if kind in filled), Kind.TASKS)

    def _kind(self, members: list[ast.expr]) -> Kind:
        if any(self._is_future(each) for each in members):
            return Kind.FUTURES
        if members and all(self._is_task(each) for each in members):
            return Kind.TASKS
        return Kind.VALUES

    def _is_task(self, node: ast.expr) -> bool:
        match node:
            case ast.Call(func=func) if self._names.of(func) == "asyncio.current_task":
                return True
            case ast.Call(func=ast.Attribute(value=owner, attr=made)):
                is_operation = made in OPERATIONS and dotted(owner) == self._context
                return is_operation or made in _TASK_MAKERS
            case ast.Call(func=ast.Name() as made):
                return (self._names.of(made) or "").rpartition(".")[2] in _TASK_MAKERS
            case ast.Name(id=name):
                return self._once(name, lambda: self._holds_tasks(name), meanwhile=True)
            case _:
                return False

    def _holds_tasks(self, name: str) -> bool:
        held = self._held_by(name)
        return bool(held) and all(map(self._is_task, held))

    def _held_by(self, name: str) -> list[ast.expr]:
        drawn = [member for each in self._drawn[name] for member in self._members(each)]
        return [*(each for each in self._bound[name] if each is not None), *drawn]

    def _is_future(self, node: ast.expr) -> bool:
        made = self._made_by(node)
        if made is None:
            return False
        if isinstance(made.func, ast.Attribute) and made.func.attr == "create_future":
            return True
        return self._is_bare(made) or self._names.of(made.func) in _COMBINED

    def _is_bare(self, node: ast.expr) -> bool:
        made = self._made_by(node)
        if made is None:
            return False
        return self._names.of(made.func) == "asyncio.Future"

    def _made_by(self, node: ast.expr) -> ast.Call | None:
        """The call that made a value, looked up through one name."""
        if isinstance(node, ast.Name):
            name = node.id
            nothing: list[ast.expr] = []
            held = self._once(name, lambda: self._held_by(name), nothing)
            node = held[0] if len(held) == 1 else node
        return node if isinstance(node, ast.Call) else None

    def _members(self, node: ast.expr) -> list[ast.expr]:
        """Expressions for the members of a collection; an unknown collection stands for itself."""
        match node:
            case ast.List(elts=members) | ast.Tuple(elts=members) | ast.Set(elts=members):
                return [inner for each in members for inner in self._unpacked(each)]
            case ast.ListComp(elt=member) | ast.SetComp(elt=member) | ast.GeneratorExp(elt=member):
                return [member]
            case ast.Call(func=ast.Name(id="list" | "tuple" | "set" | "frozenset"), args=args):
                return [inner for each in args for inner in self._members(each)]
            case ast.Name(id=name) if self._bound[name] or self._waited[name]:
                return self._once(name, lambda: self._members_of_name(name), []) or [node]
            case _:
                return [node]

    def _members_of_name(self, name: str) -> list[ast.expr]:
        sources = [each for each in self._bound[name] if each is not None] + self._waited[name]
        members = [inner for each in sources for inner in self._members(each)]
        return members + self._put_into(name)

    def _put_into(self, name: str) -> list[ast.expr]:
        return [inner for each in self._put[name] for inner in self._unpacked(each)]

    def _unpacked(self, node: ast.expr) -> list[ast.expr]:
        return self._members(node.value) if isinstance(node, ast.Starred) else [node]

    def _once(self, name: str, find: Callable[[], _T], meanwhile: _T) -> _T:
        """Resolve a name, unless that is under way already: names may hold one another."""
        if name in self._resolving:
            return meanwhile
        self._resolving.add(name)
        try:
            return find()
        finally:
            self._resolving.discard(name)


def _given_to_wait(value: ast.expr, names: Names) -> ast.expr | None:
    match value:
        case ast.Await(value=ast.Call(func=called, args=[given, *_])):
            return given if names.of(called) == "asyncio.wait" else None
        case _:
            return None


def _is_empty(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Call) and not node.args


def acts(node: ast.AST, context: str) -> bool:
    """Tell whether an expression awaits something, or uses the context."""
    return any(
        isinstance(inner, ast.Await)
        or (isinstance(inner, ast.Attribute) and dotted(inner.value) == context)
        for inner in ast.walk(node)
    )


def starred(nodes: list[ast.expr]) -> Iterator[ast.expr]:
    """The collections that are unpacked among these."""
    return (node.value for node in nodes if isinstance(node, ast.Starred))
