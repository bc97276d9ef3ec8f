"""Find the workflow functions of a module, and the names of their context parameters."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from durable_execution_sdk.lint.names import dotted, qualified

Function = ast.FunctionDef | ast.AsyncFunctionDef

# Methods whose first argument is a workflow function, and methods whose first argument is a step's body.
TAKES_WORKFLOW = frozenset({"run_in_child_context", "with_retry"})
TAKES_BODY = frozenset({"step", "wait_for_condition", "wait_for_callback", "add_compensation"})
ENDINGS = frozenset({"complete_execution_success", "complete_execution_failure", "continue_as_new"})
OPERATIONS = frozenset(
    {"step", "wait", "wait_until", "wait_for_condition", "create_callback", "wait_for_callback"}
    | {"invoke", "run_in_child_context", "map", "parallel", "with_retry", "all", "any", "race"}
    | {"all_settled"}
)


class WorkflowNode(NamedTuple):
    """A function that runs as workflow code; ``context`` is its parameter's name.

    ``is_recorded``: what it returns is recorded as a result, so it cannot return a handle.
    """

    function: Function
    context: str
    is_recorded: bool


def workflows(tree: ast.Module, imported: dict[str, str]) -> Iterator[WorkflowNode]:
    """Yield the functions that receive a durable context."""
    context_indexes = _context_indexes(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            context = _context_of(node, imported, context_indexes)
            if context is not None:
                is_recorded = node.name in context_indexes or _has_durable(node, imported)
                yield WorkflowNode(node, context, is_recorded)


def step_bodies(tree: ast.Module) -> set[str]:
    """Return the names of the functions that the module passes to steps."""
    return {
        name
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        for name in _bodies(call, call.func.attr)
    }


def _bodies(call: ast.Call, operation: str) -> Iterator[str]:
    arguments = call.args[:1] if operation in TAKES_BODY else []
    arguments += [word.value for word in call.keywords if word.arg == "compensate"]
    for argument in arguments:
        inner = argument.args[0] if isinstance(argument, ast.Call) and argument.args else argument
        if isinstance(inner, ast.Name):
            yield inner.id


def _context_indexes(tree: ast.Module) -> dict[str, int]:
    """Map functions that an operation calls with a context to the index of that parameter."""
    indexes: dict[str, int] = {}
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        operation, args = call.func.attr, call.args
        if operation in TAKES_WORKFLOW and args and isinstance(args[0], ast.Name):
            indexes[args[0].id] = 0
        elif operation == "map" and len(args) > 1 and isinstance(args[1], ast.Name):
            indexes[args[1].id] = 0
        elif operation == "parallel" and args:
            named = [each.id for each in branches(args[0]) if isinstance(each, ast.Name)]
            indexes.update(dict.fromkeys(named, 0))
    return indexes


def branches(node: ast.expr) -> list[ast.expr]:
    """Return the functions in the list or the mapping that a parallel is given."""
    if isinstance(node, ast.List | ast.Tuple):
        return node.elts
    return node.values if isinstance(node, ast.Dict) else []


def _context_of(
    function: ast.AsyncFunctionDef, imported: dict[str, str], context_indexes: dict[str, int]
) -> str | None:
    parameters = [*function.args.posonlyargs, *function.args.args]
    for parameter in parameters:
        if parameter.annotation is not None and _is_context(parameter.annotation):
            return parameter.arg
    if len(parameters) > 1 and _has_durable(function, imported):
        return parameters[1].arg
    index = context_indexes.get(function.name)
    return parameters[index].arg if index is not None and len(parameters) > index else None


def _has_durable(function: ast.AsyncFunctionDef, imported: dict[str, str]) -> bool:
    return any(_is_durable(decorator, imported) for decorator in function.decorator_list)


def _is_context(annotation: ast.expr) -> bool:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        text: str | None = annotation.value
    else:
        text = dotted(annotation)
    return text is not None and text.rpartition(".")[2] == "DurableContext"


def _is_durable(decorator: ast.expr, imported: dict[str, str]) -> bool:
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    return qualified(name, imported) in {
        "durable_execution",  # from durable_execution_sdk import *
        "durable_execution_sdk.durable_execution",
        "durable_execution_sdk.handler.durable_execution",
    }
