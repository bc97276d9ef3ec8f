"""Find statements that replay cannot repeat by their form: spinning loops, branches on replay, globals."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from durable_execution_sdk.lint.calls import LEVELS, READS
from durable_execution_sdk.lint.names import dotted, root
from durable_execution_sdk.lint.scope import Names

_YIELDS = frozenset({"asyncio.sleep", "anyio.sleep"})
_CHECKPOINTS = frozenset({"anyio.lowlevel.checkpoint"})
CHANGES = frozenset(
    {"append", "appendleft", "add", "extend", "insert", "update", "setdefault", "pop", "popitem"}
) | {"popleft", "remove", "discard", "clear", "sort", "reverse", "rotate", "subtract"}
_LINES = LEVELS | {"log_debug", "log_info", "log_warn", "log_error"}


def spins(loop: ast.While, names: Names) -> bool:
    """Tell whether a loop only yields to the event loop until a condition holds (busy waiting)."""
    awaits = [node for node in _own(loop) if isinstance(node, ast.Await)]
    is_plain = not any(isinstance(node, ast.AsyncFor | ast.AsyncWith) for node in _own(loop))
    return is_plain and bool(awaits) and all(_yields(node.value, names) for node in awaits)


def _yields(node: ast.expr, names: Names) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = names.of(node.func)
    if name in _CHECKPOINTS:
        return True
    delays = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "delay")]
    return name in _YIELDS and any(
        isinstance(delay, ast.Constant) and delay.value == 0 for delay in delays
    )


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes of a statement, except those of inner functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _own(child)


def asks_for_replay(node: ast.AST, context: str) -> bool:
    """Tell whether a statement or an expression branches on ``ctx.is_replaying``.

    A branch that only logs or prints is accepted.
    """
    match node:
        case ast.If(test=test):
            return _mentions(test, context) and not all(
                map(_writes_lines, [*node.body, *node.orelse])
            )
        case ast.While(test=test) | ast.IfExp(test=test):
            return _mentions(test, context)
        case ast.comprehension(ifs=tests):
            return any(_mentions(condition, context) for condition in tests)
        case _:
            return False


def _mentions(test: ast.expr, context: str) -> bool:
    name = f"{context}.is_replaying"
    return any(isinstance(node, ast.Attribute) and dotted(node) == name for node in ast.walk(test))


def _writes_lines(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=method))):
            return method in _LINES
        case ast.If(body=body, orelse=otherwise) | ast.For(body=body, orelse=otherwise):
            return all(map(_writes_lines, [*body, *otherwise]))
        case _:
            return False


def patches_asked_once(node: ast.AST, context: str) -> Iterator[ast.Call]:
    """Yield the calls of ``patched`` in a ``while`` loop that get one answer for all of its rounds."""
    if not isinstance(node, ast.While):
        return
    for call in ast.walk(node):
        if (
            isinstance(call, ast.Call)
            and dotted(call.func) == f"{context}.patched"
            and not any(word.arg in ("each_time", None) for word in call.keywords)
        ):
            yield call


def changed_globals(node: ast.AST, names: Names) -> Iterator[tuple[ast.stmt | ast.expr, str]]:
    """Yield the module-level objects that a statement changes, each with a text for messages."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)):
            if method in CHANGES and names.is_global_container(name):
                yield node, f"{name}.{method}()"
        case _:
            pass
    for changed in targets_of(node):
        if isinstance(changed, ast.Attribute | ast.Subscript) and isinstance(node, ast.stmt):
            owner = root(changed)
            has_own_rule = (names.of(changed.value) or "") in READS
            if isinstance(owner, ast.Name) and names.is_global(owner.id) and not has_own_rule:
                yield node, f"the change of {ast.unparse(changed)}"


def targets_of(node: ast.AST) -> list[ast.expr]:
    """Return what a statement assigns to, or deletes."""
    match node:
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            return targets
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            return [target]
        case _:
            return []
