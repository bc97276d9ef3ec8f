"""Find variables that hold the handle of an operation, and places that take it for the operation's result."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from durable_execution_sdk.lint.names import dotted
from durable_execution_sdk.lint.workflows import Function

__all__ = ["held_handles", "taken_for_results"]

# What a handle has: the members of a future, and the operation's name and id.
_MEMBERS = frozenset(
    {"add_done_callback", "cancel", "cancelled", "done", "exception", "get_loop", "name"}
    | {"operation_id", "remove_done_callback", "result", "set_exception", "set_result"}
)
# The operations that take values, and the place of the first one.
_VALUES = {"step": 1, "invoke": 1, "map": 0}


def held_handles(
    function: Function, operation: Callable[[ast.AST], str | None]
) -> Mapping[str, str]:
    """Return the variables that are bound once, to what an operation returns, with a text for each."""
    bound = Counter(
        node.id if isinstance(node, ast.Name) else node.arg
        for node in ast.walk(function)
        if isinstance(node, ast.arg)
        or (isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load))
    )
    shared = {
        name
        for node in ast.walk(function)
        if isinstance(node, ast.Global | ast.Nonlocal)
        for name in node.names
    }
    held: dict[str, str] = {}
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if bound[name] == 1:
                what = operation(value)
                if what is not None and name not in shared:
                    held[name] = f"{name}, of {what},"
            case _:
                pass
    return held


def taken_for_results(
    node: ast.AST, held: Mapping[str, str], context: str
) -> Iterator[tuple[ast.expr, str]]:
    """Yield the variables with handles that this node takes for results, each with its text."""
    for value in _values(node, context):
        if isinstance(value, ast.Name) and value.id in held:
            yield value, held[value.id]


def _values(node: ast.AST, context: str) -> list[ast.expr]:
    """Return the parts of a node of which a value is wanted, and a handle is none."""
    match node:
        case ast.Attribute(value=value, attr=member, ctx=ast.Load()) if member not in _MEMBERS:
            return [value]
        case (
            ast.Subscript(value=value)
            | ast.For(iter=value)
            | ast.comprehension(iter=value)
            | ast.FormattedValue(value=value)
            | ast.Assign(targets=[ast.Tuple() | ast.List()], value=value)
            | ast.If(test=value)
            | ast.While(test=value)
            | ast.IfExp(test=value)
            | ast.Assert(test=value)
            | ast.UnaryOp(operand=value)
        ):
            return [value]
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.Compare(
            left=left,
            ops=[ast.Eq() | ast.NotEq() | ast.Is() | ast.IsNot()],
            comparators=[other],
        ):
            # It may be compared with the handle of another variable, and with None if nothing was started.
            return [left] if isinstance(other, ast.Constant) and other.value is not None else []
        case ast.Compare(left=left, comparators=others):
            is_member = any(isinstance(op, ast.In | ast.NotIn) for op in node.ops)
            return others if is_member else [left, *others]
        case ast.Call(func=ast.Attribute(value=owner, attr=operation), args=args):
            first = _VALUES.get(operation) if dotted(owner) == context else None
            return [] if first is None else args[first:]
        case _:
            return []
