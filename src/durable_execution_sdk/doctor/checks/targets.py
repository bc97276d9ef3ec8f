"""Checks of the functions that code, schedules, event sources and permissions name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple

from durable_execution_sdk.dev.discovery.cloudformation import mapping
from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.findings import Fault, Level, Place, check
from durable_execution_sdk.doctor.source import Handler, Module, calls
from durable_execution_sdk.doctor.template import LambdaFunction, Resource, items
from durable_execution_sdk.lint.names import dotted, qualified

_UNQUALIFIED = "Lambda refuses to invoke a durable function without a version or an alias"


class Invoke(NamedTuple):
    """A call of ``ctx.invoke``; the target is a text, or the name of an environment variable."""

    place: Place
    text: str | None
    variable: str | None


def invokes(app: Application, function: LambdaFunction) -> list[Invoke]:
    """Return the invokes in a function's code."""
    handler = app.handlers.get(function.logical_id)
    sources = app.sources(function)
    if handler is None or sources is None:
        return []
    return [*_invokes(app, handler, function)]


def _invokes(app: Application, handler: Handler, function: LambdaFunction) -> Iterator[Invoke]:
    sources = app.sources(function)
    assert sources is not None
    for module, node in sources.reachable(handler):
        contexts = set(module.contexts.values())
        for call in calls(node):
            name = dotted(call.func) or ""
            owner, _, method = name.rpartition(".")
            if method == "invoke" and owner in contexts:
                target = _argument(call)
                if target is not None:
                    yield _invoke(module, call, target)


def _argument(call: ast.Call) -> ast.expr | None:
    if call.args:
        return call.args[0]
    return next((word.value for word in call.keywords if word.arg == "function_name"), None)


def _invoke(module: Module, call: ast.Call, target: ast.expr) -> Invoke:
    place = module.place(call)
    node = module.values.get(target.id, target) if isinstance(target, ast.Name) else target
    match node:
        case ast.Constant(value=str(text)):
            return Invoke(place, text, None)
        case ast.Subscript(slice=ast.Constant(value=str(variable))) if (
            qualified(node.value, module.imported) == "os.environ"
        ):
            return Invoke(place, None, variable)
        case ast.Call(args=[ast.Constant(value=str(variable)), *_]) if qualified(
            node.func, module.imported
        ) in {"os.environ.get", "os.getenv"}:
            return Invoke(place, None, variable)
        case _:
            return Invoke(place, None, None)


@check(
    "DOC201",
    Level.ERROR,
    reason=_UNQUALIFIED,
    fix='name one, as in ctx.invoke("ship-order:live")',
)
def invokes_without_qualifier(app: Application) -> Iterator[Fault]:
    """Find literal targets of invokes that are durable functions without a version or an alias."""
    for function in app.durable:
        for invoke in invokes(app, function):
            target = app.references.target(invoke.text) if invoke.text else None
            if target is not None and target.is_unqualified_durable:
                yield invoke.place, f"this invokes {target.text}"


@check(
    "DOC202",
    Level.ERROR,
    reason=_UNQUALIFIED,
    fix="give the variable an alias: !Ref Function.Alias in SAM, !Ref of the AWS::Lambda::Alias elsewhere",
)
def variables_without_qualifier(app: Application) -> Iterator[Fault]:
    """Find environment variables that code invokes, and that name no version or alias."""
    for function in app.durable:
        variables = mapping(mapping(function.properties.get("Environment")).get("Variables"))
        for name in sorted({each.variable for each in invokes(app, function) if each.variable}):
            target = app.references.target(variables.get(name))
            if target is not None and target.is_unqualified_durable:
                yield (
                    function.place("Environment", "Variables", name),
                    f"{function.logical_id} invokes {name}, which is {target.text}",
                )


@check(
    "DOC203",
    Level.ERROR,
    reason="the code reads it to find the function that it invokes",
    fix="add it to Environment.Variables, with the alias of the function",
)
def missing_variables(app: Application) -> Iterator[Fault]:
    """Find environment variables that code invokes, and that the template does not set."""
    for function in app.durable:
        given = mapping(function.properties.get("Environment")).get("Variables")
        variables = mapping(given)
        if given is not None and not variables:
            continue
        for invoke in invokes(app, function):
            if invoke.variable and invoke.variable not in variables:
                yield (
                    invoke.place,
                    f"{function.logical_id} has no environment variable {invoke.variable}",
                )


@check(
    "DOC204",
    Level.ERROR,
    reason=_UNQUALIFIED + ", so each event fails",
    fix="name an alias as the target, or set AutoPublishAlias in SAM, which its events then use",
)
def sources_without_qualifier(app: Application) -> Iterator[Fault]:
    """Find schedules, event sources and other callers of a durable function without a version or an alias."""
    for function in app.durable:
        if function.is_serverless and not function.alias:
            for name in mapping(function.properties.get("Events")):
                yield (
                    function.place("Events", name),
                    f"the event {name} invokes {function.logical_id} without a version or an alias",
                )
            if function.properties.get("FunctionUrlConfig"):
                yield (
                    function.place("FunctionUrlConfig"),
                    f"the URL invokes {function.logical_id} without a version or an alias",
                )
    for resource in app.template.resources.values():
        for path, value in _targets(resource):
            target = app.references.target(value)
            if target is not None and target.is_unqualified_durable:
                yield resource.place(*path), f"{resource.logical_id} invokes {target.text}"


_Path = tuple[str | int, ...]


def _targets(resource: Resource) -> Iterator[tuple[_Path, Any]]:
    """Yield the functions that a resource invokes, with the paths of the properties that name them."""
    properties = resource.properties
    match resource.type:
        case "AWS::Events::Rule":
            for index, target in enumerate(items(properties.get("Targets"))):
                yield ("Targets", index, "Arn"), mapping(target).get("Arn")
        case "AWS::Scheduler::Schedule":
            yield ("Target", "Arn"), mapping(properties.get("Target")).get("Arn")
        case "AWS::Lambda::EventSourceMapping":
            yield ("FunctionName",), properties.get("FunctionName")
        case "AWS::Lambda::Url" if not properties.get("Qualifier"):
            yield ("TargetFunctionArn",), properties.get("TargetFunctionArn")
        case "AWS::SNS::Subscription" if properties.get("Protocol") == "lambda":
            yield ("Endpoint",), properties.get("Endpoint")
        case "AWS::ApiGateway::Method":
            yield ("Integration", "Uri"), mapping(properties.get("Integration")).get("Uri")
        case "AWS::ApiGatewayV2::Integration":
            yield ("IntegrationUri",), properties.get("IntegrationUri")
        case "AWS::Logs::SubscriptionFilter":
            yield ("DestinationArn",), properties.get("DestinationArn")
        case "AWS::S3::Bucket":
            configuration = mapping(properties.get("NotificationConfiguration"))
            for index, each in enumerate(items(configuration.get("LambdaConfigurations"))):
                path = ("NotificationConfiguration", "LambdaConfigurations", index, "Function")
                yield path, mapping(each).get("Function")
        case _:
            pass


@check(
    "DOC205",
    Level.ERROR,
    reason="a permission for a function without a version or an alias does not cover its aliases,"
    " by which alone it can be invoked",
    fix="give FunctionName the ARN of the alias",
)
def permissions_without_qualifier(app: Application) -> Iterator[Fault]:
    """Find permissions on durable functions without a version or an alias."""
    for resource in app.template.of_type("AWS::Lambda::Permission"):
        target = app.references.target(resource.properties.get("FunctionName"))
        if target is not None and target.is_unqualified_durable:
            yield (
                resource.place("FunctionName"),
                f"{resource.logical_id} lets a caller invoke {target.text}",
            )


CHECKS = (
    invokes_without_qualifier,
    variables_without_qualifier,
    missing_variables,
    sources_without_qualifier,
    permissions_without_qualifier,
)
