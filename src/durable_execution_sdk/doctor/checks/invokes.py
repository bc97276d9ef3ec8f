"""The calls in code that invoke a function: ``ctx.invoke``, ``client.start``, and boto3's ``invoke``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from durable_execution_sdk.dev.discovery.cloudformation import Tree, mapping
from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.constants import resolved
from durable_execution_sdk.doctor.findings import Place
from durable_execution_sdk.doctor.module import Module, bound_names, calls
from durable_execution_sdk.doctor.source import Sources
from durable_execution_sdk.doctor.template import LambdaFunction, is_intrinsic
from durable_execution_sdk.lint.names import dotted, qualified
from durable_execution_sdk.lint.workflows import Function

__all__ = ["Invoke", "invokes", "variables_of"]

_CLIENTS = frozenset(
    f"durable_execution_sdk.client{module}.{name}{maker}"
    for module in ("", ".durable_client", ".synchronous.client")
    for name in ("DurableClient", "SyncDurableClient")
    for maker in ("", ".for_dev_server")
)


class Invoke(NamedTuple):
    """A call that invokes a function: the literal target, the environment variable that has it, or both.

    Of both, the literal is the default; ``is_needed`` tells that there is none.
    """

    place: Place
    text: str | None = None
    variable: str | None = None
    is_needed: bool = False


def invokes(app: Application, function: LambdaFunction) -> list[Invoke]:
    """Return the invokes in a function's code."""
    found: list[Invoke] = []
    sources = app.sources(function)
    if sources is None:
        return found
    for module, node in app.reached(function):
        for call, target in _targets(sources, module, node):
            place = module.place(call)
            found.append(Invoke(place) if target is None else _read(place, sources, module, target))
    return found


def _targets(
    sources: Sources, module: Module, function: Function
) -> Iterator[tuple[ast.Call, ast.expr | None]]:
    """Yield the calls in a function that invoke another, with their targets; ``None`` for one that is not told."""
    contexts = set(module.contexts.values())
    clients = {name for name, value in _bound(function) if _makes_client(module, value)}
    for call in calls(function):
        if not isinstance(call.func, ast.Attribute):
            continue
        words = {word.arg: word.value for word in call.keywords}
        owner = call.func.value
        match call.func.attr:
            case "invoke" if dotted(owner) in contexts:
                target = call.args[0] if call.args else words.get("function_name")
                if target is not None:
                    yield call, _within(function, target)
            case "invoke" if "FunctionName" in words and not _OTHER_ROLE.search(module.text):
                # Of boto3; a version or an alias may be beside the name.
                target = words["FunctionName"] if words.keys().isdisjoint(_OPEN) else None
                yield call, None if target is None else _within(function, target)
            case "start" if dotted(owner) in clients or _makes_client(
                *resolved(sources, module, owner)
            ):
                target = call.args[0] if call.args else words.get("function")
                if target is not None:
                    yield call, _within(function, target)
            case _:
                pass


_OPEN: frozenset[str | None] = frozenset({"Qualifier", None})
_OTHER_ROLE = re.compile(r"assume_role|aws_access_key_id")


def _within(function: Function, target: ast.expr) -> ast.expr | None:
    """Return the value of a name that the function binds itself; ``None`` if it may have several."""
    if not isinstance(target, ast.Name) or target.id not in bound_names(function):
        return target
    values = [value for name, value in _bound(function) if name == target.id]
    times = sum(
        isinstance(node, ast.Name | ast.arg)
        and target.id == (node.arg if isinstance(node, ast.arg) else node.id)
        and not isinstance(getattr(node, "ctx", None), ast.Load)
        for node in ast.walk(function)
    )
    return values[0] if len(values) == times == 1 and isinstance(values[0], ast.expr) else None


def _bound(function: Function) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a function binds, with what they get: a value, or the type of a parameter."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.withitem(context_expr=value, optional_vars=ast.Name(id=name)):
                yield name, value
            case ast.arg(arg=name, annotation=ast.expr() as annotation):
                yield name, annotation
            case _:
                pass


def _makes_client(module: Module, value: ast.expr) -> bool:
    """Tell if an expression makes a client of this SDK, or is the class of one."""
    made = value.func if isinstance(value, ast.Call) else value
    maker = module.functions.get(made.id) if isinstance(made, ast.Name) else None
    if maker is None:
        return qualified(made, module.imported) in _CLIENTS
    given = (node.value for node in ast.walk(maker) if isinstance(node, ast.Return))
    return any(
        qualified(each.func if isinstance(each, ast.Call) else each, module.imported) in _CLIENTS
        for each in (maker.returns, *given)
        if each is not None
    )


def _read(place: Place, sources: Sources, module: Module, target: ast.expr) -> Invoke:
    """Read the target of a call; that of a ``FunctionRef``, or of its name, is its first argument."""
    if isinstance(target, ast.Attribute) and target.attr == "name":
        target = target.value
    other, node = resolved(sources, module, target)
    if isinstance(node, ast.Call) and (dotted(node.func) or "").endswith("FunctionRef"):
        words = {word.arg: word.value for word in node.keywords}
        name = node.args[0] if node.args else words.get("name")
        if name is not None:
            other, node = resolved(sources, other, name)
    return _invoke(place, other, node)


def _invoke(place: Place, module: Module, node: ast.expr) -> Invoke:
    match node:
        case ast.Constant(value=str(text)):
            return Invoke(place, text)
        case ast.Subscript(slice=ast.Constant(value=str(variable))) if (
            qualified(node.value, module.imported) == "os.environ"
        ):
            return Invoke(place, None, variable, is_needed=True)
        case ast.Call(args=[ast.Constant(value=str(variable)), *rest]) if qualified(
            node.func, module.imported
        ) in {"os.environ.get", "os.getenv"}:
            default = rest[0] if rest else None
            literal = default.value if isinstance(default, ast.Constant) else None
            is_needed = default is None and not node.keywords
            return Invoke(place, literal if isinstance(literal, str) else None, variable, is_needed)
        case _:
            return Invoke(place)


def variables_of(function: LambdaFunction) -> Tree | None:
    """Return the environment variables; ``None`` if only a deployment knows which there are."""
    environment = function.properties.get("Environment")
    variables = mapping(environment).get("Variables")
    return None if is_intrinsic(environment) or is_intrinsic(variables) else mapping(variables)
