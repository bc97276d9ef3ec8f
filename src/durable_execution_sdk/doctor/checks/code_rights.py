"""Checks of the rights that code needs for calls of the service beside checkpoints and ``ctx.invoke``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.findings import Fault, Level, check
from durable_execution_sdk.doctor.module import calls
from durable_execution_sdk.doctor.template import LambdaFunction
from durable_execution_sdk.lint.names import dotted

_INVOKE = "lambda:InvokeFunction"
_ANSWERS = {
    "succeed": "lambda:SendDurableExecutionCallbackSuccess",
    "fail": "lambda:SendDurableExecutionCallbackFailure",
    "heartbeat": "lambda:SendDurableExecutionCallbackHeartbeat",
}


@check(
    "DOC306",
    Level.ERROR,
    reason="the next execution is started with the role of the function that runs this one",
    fix=f"allow {_INVOKE} on the ARN of the function itself followed by :*, written with its name",
)
def continue_as_new(app: Application) -> Iterator[Fault]:
    """Find functions whose code goes on as a new execution, and whose role does not allow to start one."""
    for function in app.durable:
        place = _goes_on(app, function) if app.roles.of(function).lacks(_INVOKE) else None
        if place is not None:
            yield (
                function.head,
                f"{function.logical_id} goes on as a new execution ({place}), but its role does not allow {_INVOKE}",
            )


def _goes_on(app: Application, function: LambdaFunction) -> object | None:
    """Return the place of the first call of ``ctx.continue_as_new`` in a function's code."""
    for module, node in app.reached(function):
        contexts = set(module.contexts.values())
        for call in calls(node):
            owner, _, method = (dotted(call.func) or "").rpartition(".")
            if method == "continue_as_new" and owner in contexts:
                return module.place(call)
    return None


@check(
    "DOC307",
    Level.ERROR,
    reason="an answer to a callback is sent with the rights of the function that sends it",
    fix="allow the action on the ARN of the function whose executions wait, followed by :*",
)
def answers(app: Application) -> Iterator[Fault]:
    """Find functions whose code answers callbacks, and whose role does not allow it."""
    for name in app.handlers:
        function = app.template.functions[name]
        for module, node in app.reached(function):
            callbacks = _callbacks(node)
            for call in calls(node):
                action = _answer(call, callbacks)
                if action is not None and app.roles.of(function).lacks(action):
                    yield (
                        module.place(call),
                        f"{name} answers a callback, but its role does not allow {action}",
                    )


def _callbacks(function: ast.AST) -> set[str]:
    """Return the names that a function gives to callbacks of a client."""
    return {
        target.id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and _is_callback(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _is_callback(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="callback"), args=[_]):
            return True
        case _:
            return False


def _answer(call: ast.Call, callbacks: set[str]) -> str | None:
    """Return the action of a call that answers a callback, of the client or of boto3."""
    match call.func:
        case ast.Attribute(value=ast.Name(id=name), attr=method) if name in callbacks:
            return _ANSWERS.get(method)
        case ast.Attribute(value=value, attr=method) if _is_callback(value):
            return _ANSWERS.get(method)
        case ast.Attribute(attr=method) if method.startswith("send_durable_execution_callback_"):
            word = method.rpartition("_")[2].capitalize()
            return f"lambda:SendDurableExecutionCallback{word}"
        case _:
            return None


CHECKS = (continue_as_new, answers)
