"""Find changes that replay loses: a function that does not run again changes what the workflow's code still reads.

Replay takes the result of a step, and of a context that has ended, from the log. What their functions have changed
outside of them, a variable of the workflow or an argument, is then as it was before.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from durable_execution_sdk.lint.names import root
from durable_execution_sdk.lint.scope import Names, bound_within
from durable_execution_sdk.lint.statements import CHANGES, targets_of
from durable_execution_sdk.lint.workflows import (
    TAKES_BODY,
    TAKES_WORKFLOW,
    Function,
    WorkflowNode,
    branches,
)

__all__ = ["Change", "lost_changes"]

Change = tuple[ast.stmt | ast.expr, str]
_Code = Function | ast.Lambda

# In the options of a call: the function runs again on replay.
_RUNS_AGAIN = ("virtual=True", "FLAT")


def lost_changes(workflow: WorkflowNode, tree: ast.Module, names: Names) -> Iterator[Change]:
    """Yield the changes that replay of this workflow loses, each with a text for messages."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}
    inner = {node for node in ast.walk(workflow.function) if isinstance(node, _Code)}
    around = _enclosing(workflow.function)
    for call in ast.walk(workflow.function):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        for given in _not_repeated(call, call.func.attr):
            code = functions.get(given.id) if isinstance(given, ast.Name) else given
            if isinstance(code, ast.Attribute):
                if code.attr in CHANGES and _is_container(code.value, names):
                    yield call, f"{ast.unparse(code)}() in a step"
            elif isinstance(code, _Code) and code in inner:
                yield from _of_variables(code, around.get(code, set()), names)
        yield from _of_arguments(call, functions, names)


def _not_repeated(call: ast.Call, operation: str) -> Iterator[ast.expr]:
    """Yield the functions that a call gives to an operation, unless they run again on replay."""
    if operation in TAKES_BODY:
        given = call.args[:1]
        given += [word.value for word in call.keywords if word.arg == "compensate"]
    elif any(mark in ast.unparse(word.value) for word in call.keywords for mark in _RUNS_AGAIN):
        return
    elif operation in TAKES_WORKFLOW:
        given = call.args[:1]
    elif operation == "map":
        given = call.args[1:2]
    elif operation == "parallel" and call.args:
        given = list(branches(call.args[0]))
    else:
        return
    for each in given:
        is_partial = isinstance(each, ast.Call) and each.args
        yield each.args[0] if is_partial and isinstance(each, ast.Call) else each


def _enclosing(function: Function) -> dict[ast.AST, set[str]]:
    """Map each inner function to the names that the functions around it bind, up to this one."""
    found: dict[ast.AST, set[str]] = {}

    def look(code: _Code, outer: set[str]) -> None:
        visible = outer | _bound_by(code)
        for node in _own(code):
            if isinstance(node, _Code):
                found[node] = visible
                look(node, visible)

    look(function, set())
    return found


def _own(code: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function, of inner functions only their own node."""
    for child in ast.iter_child_nodes(code):
        yield child
        if not isinstance(child, _Code):
            yield from _own(child)


def _bound_by(code: _Code) -> set[str]:
    """Return the names that a function binds itself."""
    nodes = [node for node in _own(code) if not isinstance(node, _Code)]
    elsewhere = {
        name for node in nodes if isinstance(node, ast.Nonlocal | ast.Global) for name in node.names
    }
    stored = {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    parameters = {node.arg for node in ast.walk(code.args) if isinstance(node, ast.arg)}
    return (stored - elsewhere) | parameters


def _of_variables(code: _Code, outside: set[str], names: Names) -> Iterator[Change]:
    """Yield the changes that a function makes to variables of the functions around it."""
    declared = {
        name for node in _own(code) if isinstance(node, ast.Nonlocal) for name in node.names
    }
    free = outside - (set(bound_within(code)) - declared)
    where = "a lambda" if isinstance(code, ast.Lambda) else code.name
    for node in ast.walk(code):
        match node:
            case ast.Nonlocal():
                if free.intersection(node.names):
                    yield node, f"nonlocal {', '.join(node.names)} in {where}"
            case ast.Call(func=ast.Attribute(value=owner, attr=method)):
                if method in CHANGES and _owner(owner) in free and _is_container(owner, names):
                    yield node, f"{ast.unparse(owner)}.{method}() in {where}"
            case ast.stmt():
                for target in targets_of(node):
                    if not isinstance(target, ast.Name) and _owner(target) in free:
                        yield node, f"the change of {ast.unparse(target)} in {where}"
            case _:
                pass


def _of_arguments(call: ast.Call, functions: dict[str, Function], names: Names) -> Iterator[Change]:
    """Yield the changes that a step's function makes to its arguments and does not return."""
    match call:
        case ast.Call(func=ast.Attribute(attr="step"), args=[ast.Name(id=name), *args]):
            function = functions.get(name)
        case _:
            return
    if function is None:
        return
    parameters = [*function.args.posonlyargs, *function.args.args]
    for parameter, argument in zip(parameters, args, strict=False):
        if not isinstance(argument, ast.Name | ast.Attribute) or _returns(function, parameter.arg):
            continue
        for node in ast.walk(function):
            for target in targets_of(node):
                is_part = not isinstance(target, ast.Name) and _owner(target) == parameter.arg
                if is_part and isinstance(node, ast.stmt) and names.is_local(_owner(argument)):
                    yield node, f"the change of {ast.unparse(target)}, an argument of {name},"


def _returns(function: Function, name: str) -> bool:
    """Tell whether a function returns this variable, or something made with it."""
    return any(
        isinstance(inner, ast.Name) and inner.id == name
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value is not None
        for inner in ast.walk(node.value)
    )


def _owner(node: ast.expr) -> str | None:
    owner = root(node)
    return owner.id if isinstance(owner, ast.Name) else None


def _is_container(node: ast.expr, names: Names) -> bool:
    """Tell whether the expression is a variable of the workflow that holds a list, a dictionary or a set."""
    return isinstance(node, ast.Name) and names.holds_container(node.id)
