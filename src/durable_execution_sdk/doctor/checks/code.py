"""Checks of workflow code: what ``durable lint`` finds, and times that do not fit the template."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping

from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.constants import constants
from durable_execution_sdk.doctor.durations import seconds
from durable_execution_sdk.doctor.findings import Fault, Finding, Level, Place, check
from durable_execution_sdk.doctor.module import Module, calls
from durable_execution_sdk.doctor.template import LambdaFunction
from durable_execution_sdk.lint import check_source
from durable_execution_sdk.lint.names import dotted, qualified
from durable_execution_sdk.lint.workflows import Function
from durable_execution_sdk.protocol.limits import MAX_OPERATIONS

_LIMITED = {"asyncio.timeout": 0, "asyncio.wait_for": 1}
_STEP_OPTIONS = frozenset({"StepConfig", "ModelOptions", "ToolOptions", "tool_options"})
_CALLBACK_OPTIONS = frozenset(
    {"WaitForCallbackConfig", "CallbackConfig", "ask_person", "human_approval", "person_tool"}
)


def lint_findings(app: Application) -> Iterator[Finding]:
    """Yield the findings of ``durable lint`` in the modules of the handlers."""
    for module in app.modules:
        for found in check_source(module.text, str(module.file)):
            place = Place.of(module.file, found.line)
            yield Finding(
                place, found.rule.code, Level.ERROR, found.what, found.rule.why, found.rule.fix
            )


@check(
    "DOC700",
    Level.ERROR,
    reason="Lambda cannot import it",
    fix="correct the file; code for a newer Python is examined by running durable doctor with that Python",
)
def broken_modules(app: Application) -> Iterator[Fault]:
    """Find modules of handlers that are no Python."""
    for file, error in app.broken:
        line = error.lineno if isinstance(error, SyntaxError) else 1
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        yield Place.of(file, line), f"this is not read as Python {version}: {message}"


@check(
    "DOC701",
    Level.WARNING,
    reason="the attempt is cut off when the function's time is nearly up, so the step's own time limit never acts",
    fix="raise the function's Timeout above that of the step, or lower the step's",
)
def step_timeouts(app: Application) -> Iterator[Fault]:
    """Find time limits of steps, or in their bodies, that are no shorter than the function's."""
    for function in app.durable:
        timeout = function.timeout
        for module, call, length in _timeouts(app, function, _STEP_OPTIONS):
            if timeout is not None and length >= timeout:
                yield (
                    module.place(call),
                    f"an attempt may take {length:.12g} s, and {function.logical_id} has the Timeout {timeout}",
                )
    for function, module, node in _functions(app):
        timeout = function.timeout
        if node.name not in module.step_bodies or timeout is None:
            continue
        known = _constants(app, function, module)
        for call in calls(node):
            limit = _limit(module, call, known)
            if limit is not None and limit >= timeout:
                yield (
                    module.place(call),
                    f"the step {node.name} may take {limit:.12g} s, and {function.logical_id} has the Timeout {timeout}",
                )


def _limit(module: Module, call: ast.Call, known: Mapping[str, ast.expr]) -> float | None:
    """Return the seconds that a call is limited to."""
    position = _LIMITED.get(qualified(call.func, module.imported) or "")
    if position is not None and len(call.args) > position:
        return seconds(call.args[position], known)
    word = _keyword(call, "timeout")
    return None if word is None else seconds(word, known)


def _constants(app: Application, function: LambdaFunction, module: Module) -> dict[str, ast.expr]:
    sources = app.sources(function)
    return module.constants if sources is None else constants(sources, module)


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == name), None)


@check(
    "DOC702",
    Level.ERROR,
    reason="the execution times out before that, whatever happens",
    fix="raise ExecutionTimeout above the sum of what the workflow waits for",
)
def waits(app: Application) -> Iterator[Fault]:
    """Find waits that are no shorter than the whole execution may take."""
    for function, module, node in _functions(app):
        timeout, contexts = function.execution_timeout, set(module.contexts.values())
        if timeout is None:
            continue
        known = _constants(app, function, module)
        for call in calls(node):
            owner, _, method = (dotted(call.func) or "").rpartition(".")
            if owner not in contexts or method != "wait":
                continue
            given = call.args[0] if call.args else _keyword(call, "duration")
            length = None if given is None else seconds(given, known)
            if length is not None and length >= timeout:
                yield (
                    module.place(call),
                    f"this waits for {length:.12g} s, and {function.logical_id} has the ExecutionTimeout {timeout}",
                )


@check(
    "DOC703",
    Level.WARNING,
    reason="the execution times out first, so the callback's own timeout never acts",
    fix="raise ExecutionTimeout above the callback's timeout, or lower that",
)
def callback_timeouts(app: Application) -> Iterator[Fault]:
    """Find timeouts of callbacks that are no shorter than the whole execution may take."""
    for function in app.durable:
        timeout = function.execution_timeout
        for module, call, length in _timeouts(app, function, _CALLBACK_OPTIONS):
            if timeout is not None and length >= timeout:
                yield (
                    module.place(call),
                    (
                        f"the callback may take {length:.12g} s, and {function.logical_id} has the"
                        f" ExecutionTimeout {timeout}"
                    ),
                )


def _timeouts(
    app: Application, function: LambdaFunction, names: frozenset[str]
) -> Iterator[tuple[Module, ast.Call, float]]:
    """Yield the calls of these names in a function's code that have a ``timeout=``, with its seconds."""
    for module, code in app.code(function):
        known = _constants(app, function, module)
        for call in calls(code):
            name = (dotted(call.func) or "").rpartition(".")[2]
            word = _keyword(call, "timeout") if name in names else None
            length = None if word is None else seconds(word, known)
            if length is not None:
                yield module, call, length


@check(
    "DOC704",
    Level.ERROR,
    reason=f"an execution has {MAX_OPERATIONS:,} operations at most, and each item of a map is one at least",
    fix="divide the items among executions, or handle several in one step (ItemBatcher)",
)
def operations(app: Application) -> Iterator[Fault]:
    """Find maps over ranges that exceed the quota of operations."""
    for function, module, node in _functions(app):
        contexts = set(module.contexts.values())
        for call in calls(node):
            owner, _, method = (dotted(call.func) or "").rpartition(".")
            if owner not in contexts or method != "map" or not call.args:
                continue
            count = _count(call.args[0], _constants(app, function, module))
            if count is not None and count >= MAX_OPERATIONS and not _has_batches(call):
                yield module.place(call), f"{function.logical_id} maps {count:,.0f} items"


def _count(items: ast.expr, known: Mapping[str, ast.expr]) -> float | None:
    """Return the number of items that come of a range; ``None`` if the code does not tell."""
    match items:
        case ast.Call(func=ast.Name(id="range"), args=[stop]):
            return seconds(stop, known)
        case ast.Call(func=ast.Name(id="range"), args=[start, stop]):
            first, last = seconds(start, known), seconds(stop, known)
            return None if first is None or last is None else last - first
        case ast.Call(func=ast.Name(id="list" | "tuple" | "sorted" | "reversed"), args=[inner]):
            return _count(inner, known)
        case ast.ListComp(generators=[ast.comprehension(iter=inner, ifs=[])]):
            return _count(inner, known)
        case ast.Name(id=name) if name in known:
            return _count(known[name], {key: each for key, each in known.items() if key != name})
        case _:
            return None


def _has_batches(call: ast.Call) -> bool:
    """Tell if a map may handle several items in one operation."""
    config = next((word.value for word in call.keywords if word.arg == "config"), None)
    if isinstance(config, ast.Call):
        return any(word.arg in {None, "item_batcher"} for word in config.keywords)
    return config is not None


def _functions(app: Application) -> Iterator[tuple[LambdaFunction, Module, Function]]:
    for function in app.durable:
        for module, node in app.reached(function):
            yield function, module, node


CHECKS = (broken_modules, step_timeouts, waits, callback_timeouts, operations)
