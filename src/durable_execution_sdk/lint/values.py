"""Infer the values of local names from their assignments.

The analysis covers one function and ignores the order of its statements: a name may hold every value
that the function binds to it, or adds to it, anywhere.
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
        # The values that a name is bound to; `None` for an unknown value, such as a parameter's.
        self._bindings: dict[str, list[ast.expr | None]] = defaultdict(list)
        self._additions: dict[str, list[ast.expr]] = defaultdict(list)
        self._iterables: dict[str, list[ast.expr]] = defaultdict(list)
        self._wait_arguments: dict[str, list[ast.expr]] = defaultdict(list)
        self._resolving: set[str] = set()
        for node in ast.walk(function):
            self._collect(node)

    def kind_of_set(self, node: ast.expr) -> Kind | None:
        """Return the kind of the members if the expression is a set, else ``None``."""
        match node:
            case ast.Set() | ast.SetComp():
                return self._kind(self._members(node))
            case ast.Call(func=ast.Name(id=name), args=args) if name in _SETS:
                return self._kind([member for arg in args for member in self._members(arg)])
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
        """Tell whether a collection contains futures made with ``asyncio.Future(...)``."""
        return any(self._is_bare(member) for member in self._members(node))

    def _collect(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._assign(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, value)
            case ast.NamedExpr(target=target, value=value):
                self._assign(target, value)
            case ast.AugAssign(target=ast.Name(id=name), op=ast.BitOr(), value=value):
                self._additions[name].append(ast.Starred(value))
            case (
                ast.For(target=ast.Name(id=name), iter=drawn)
                | ast.comprehension(target=ast.Name(id=name), iter=drawn)
            ):
                self._bindings[name].append(None)
                self._iterables[name].append(drawn)
            case ast.arg(arg=name):
                self._bindings[name].append(None)
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="add" | "append"), args=args
            ):
                self._additions[name] += args
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="update" | "extend"), args=args
            ):
                self._additions[name] += [ast.Starred(argument) for argument in args]
            case _:
                pass

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._bindings[target.id].append(value)
            return
        waited = _wait_argument(value, self._names)
        for element in target.elts if isinstance(target, ast.Tuple | ast.List) else []:
            if isinstance(element, ast.Name) and waited is not None:
                self._wait_arguments[element.id].append(waited)
            elif isinstance(element, ast.Name):
                self._bindings[element.id].append(None)

    def _kind_of_name(self, name: str) -> Kind | None:
        if self._wait_arguments[name]:
            # The name may hold a list first, and later a set from asyncio.wait, which decides the kind.
            members = [
                m for expression in self._wait_arguments[name] for m in self._members(expression)
            ]
            members += [
                m
                for expression in self._bindings[name]
                if expression
                for m in self._members(expression)
            ]
            return Kind.FUTURES if self._kind(members) is Kind.FUTURES else Kind.TASKS
        bound = self._bindings[name]
        kinds = [
            None if expression is None else self.kind_of_set(expression) for expression in bound
        ]
        if not kinds or None in kinds:
            return None
        filled = {
            kind for kind, expression in zip(kinds, bound, strict=True) if not _is_empty(expression)
        }
        if self._additions[name]:
            filled.add(self._kind(self._additions_to(name)))
        return next((kind for kind in (Kind.FUTURES, Kind.VALUES) if kind in filled), Kind.TASKS)

    def _kind(self, members: list[ast.expr]) -> Kind:
        if any(self._is_future(member) for member in members):
            return Kind.FUTURES
        if members and all(self._is_task(member) for member in members):
            return Kind.TASKS
        return Kind.VALUES

    def _is_task(self, node: ast.expr) -> bool:
        match node:
            case ast.Call(func=func) if self._names.of(func) == "asyncio.current_task":
                return True
            case ast.Call(func=ast.Attribute(value=owner, attr=factory)):
                is_operation = factory in OPERATIONS and dotted(owner) == self._context
                return is_operation or factory in _TASK_MAKERS
            case ast.Call(func=ast.Name() as factory):
                return (self._names.of(factory) or "").rpartition(".")[2] in _TASK_MAKERS
            case ast.Name(id=name):
                return self._once(name, lambda: self._holds_tasks(name), meanwhile=True)
            case _:
                return False

    def _holds_tasks(self, name: str) -> bool:
        values = self._held_by(name)
        return bool(values) and all(map(self._is_task, values))

    def _held_by(self, name: str) -> list[ast.expr]:
        members = [member for value in self._iterables[name] for member in self._members(value)]
        return [*(value for value in self._bindings[name] if value is not None), *members]

    def _is_future(self, node: ast.expr) -> bool:
        call = self._made_by(node)
        if call is None:
            return False
        if isinstance(call.func, ast.Attribute) and call.func.attr == "create_future":
            return True
        return self._is_bare(call) or self._names.of(call.func) in _COMBINED

    def _is_bare(self, node: ast.expr) -> bool:
        call = self._made_by(node)
        if call is None:
            return False
        return self._names.of(call.func) == "asyncio.Future"

    def _made_by(self, node: ast.expr) -> ast.Call | None:
        """Return the call that made a value; a name is resolved once."""
        if isinstance(node, ast.Name):
            name = node.id
            unknown: list[ast.expr] = []
            values = self._once(name, lambda: self._held_by(name), unknown)
            node = values[0] if len(values) == 1 else node
        return node if isinstance(node, ast.Call) else None

    def _members(self, node: ast.expr) -> list[ast.expr]:
        """Return expressions for a collection's members; an unknown collection is its own member."""
        match node:
            case ast.List(elts=members) | ast.Tuple(elts=members) | ast.Set(elts=members):
                return [inner for element in members for inner in self._unpacked(element)]
            case ast.ListComp(elt=member) | ast.SetComp(elt=member) | ast.GeneratorExp(elt=member):
                return [member]
            case ast.Call(func=ast.Name(id="list" | "tuple" | "set" | "frozenset"), args=args):
                return [inner for element in args for inner in self._members(element)]
            case ast.Name(id=name) if self._bindings[name] or self._wait_arguments[name]:
                return self._once(name, lambda: self._members_of_name(name), []) or [node]
            case _:
                return [node]

    def _members_of_name(self, name: str) -> list[ast.expr]:
        sources = [
            value for value in self._bindings[name] if value is not None
        ] + self._wait_arguments[name]
        members = [inner for value in sources for inner in self._members(value)]
        return members + self._additions_to(name)

    def _additions_to(self, name: str) -> list[ast.expr]:
        return [inner for value in self._additions[name] for inner in self._unpacked(value)]

    def _unpacked(self, node: ast.expr) -> list[ast.expr]:
        return self._members(node.value) if isinstance(node, ast.Starred) else [node]

    def _once(self, name: str, find: Callable[[], _T], meanwhile: _T) -> _T:
        """Resolve a name; return ``meanwhile`` if this name is being resolved, as names may be cyclic."""
        if name in self._resolving:
            return meanwhile
        self._resolving.add(name)
        try:
            return find()
        finally:
            self._resolving.discard(name)


def _wait_argument(value: ast.expr, names: Names) -> ast.expr | None:
    match value:
        case ast.Await(value=ast.Call(func=called, args=[argument, *_])):
            return argument if names.of(called) == "asyncio.wait" else None
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
    """Return the collections that are unpacked with ``*`` among these expressions."""
    return (node.value for node in nodes if isinstance(node, ast.Starred))
