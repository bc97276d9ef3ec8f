"""Checks of the functions that code, schedules, event sources and permissions name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from durable_execution_sdk.dev.discovery.cloudformation import Tree, mapping
from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.constants import resolved
from durable_execution_sdk.doctor.findings import Fault, Level, Place, check
from durable_execution_sdk.doctor.source import Module, calls
from durable_execution_sdk.doctor.template import (
    LambdaFunction,
    Resource,
    is_intrinsic,
    items,
    written_out,
)
from durable_execution_sdk.lint.names import dotted, qualified

_UNQUALIFIED = "Lambda refuses to invoke a durable function without a version or an alias"


class Invoke(NamedTuple):
    """A call of ``ctx.invoke``: the literal target, the environment variable that has it, or both.

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
    for module, node in app.reached(function) if sources is not None else ():
        contexts = set(module.contexts.values())
        for call in calls(node):
            owner, _, method = (dotted(call.func) or "").rpartition(".")
            target = _argument(call) if method == "invoke" and owner in contexts else None
            if sources is not None and target is not None:
                found.append(_invoke(module.place(call), *resolved(sources, module, target)))
    return found


def _argument(call: ast.Call) -> ast.expr | None:
    if call.args:
        return call.args[0]
    return next((word.value for word in call.keywords if word.arg == "function_name"), None)


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


@check(
    "DOC201",
    Level.ERROR,
    reason=_UNQUALIFIED,
    fix='name one, as in ctx.invoke("ship-order:live")',
)
def invokes_without_qualifier(app: Application) -> Iterator[Fault]:
    """Find literal targets of invokes that are durable functions without a version or an alias."""
    for function in app.durable:
        variables = variables_of(function)
        for invoke in invokes(app, function):
            is_default = variables is not None and invoke.variable not in variables
            is_used = invoke.text is not None and (invoke.variable is None or is_default)
            target = app.references.target(invoke.text) if is_used else None
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
        variables = variables_of(function) or {}
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
    """Find environment variables that code invokes without a default, and that the template does not set."""
    for function in app.durable:
        variables = variables_of(function)
        for invoke in invokes(app, function) if variables is not None else ():
            if variables is not None and invoke.is_needed and invoke.variable not in variables:
                message = f"{function.logical_id} has no environment variable {invoke.variable}"
                yield invoke.place, message


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
            for name in written_out(function.properties.get("Events")):
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
_NAMED_BY: dict[str, tuple[str, ...]] = {
    "AWS::ApiGateway::Method": ("Integration", "Uri"),
    "AWS::ApiGatewayV2::Integration": ("IntegrationUri",),
    "AWS::AppSync::DataSource": ("LambdaConfig", "LambdaFunctionArn"),
    "AWS::CloudFormation::CustomResource": ("ServiceToken",),
    "AWS::Lambda::EventSourceMapping": ("FunctionName",),
    "AWS::Logs::SubscriptionFilter": ("DestinationArn",),
    "AWS::Pipes::Pipe": ("Target",),
    "AWS::Scheduler::Schedule": ("Target", "Arn"),
    "AWS::SecretsManager::RotationSchedule": ("RotationLambdaARN",),
}
"""The property of a resource that names the function that it invokes, by the type of the resource."""


def _targets(resource: Resource) -> Iterator[tuple[_Path, Any]]:
    """Yield the functions that a resource invokes, with the paths of the properties that name them."""
    properties = resource.properties
    match resource.type:
        case "AWS::Events::Rule":
            for index, target in enumerate(items(properties.get("Targets"))):
                yield ("Targets", index, "Arn"), mapping(target).get("Arn")
        case "AWS::Lambda::Url" if not properties.get("Qualifier"):
            yield ("TargetFunctionArn",), properties.get("TargetFunctionArn")
        case "AWS::SNS::Subscription" if properties.get("Protocol") == "lambda":
            yield ("Endpoint",), properties.get("Endpoint")
        case _ if resource.type in _NAMED_BY:
            path = _NAMED_BY[resource.type]
            value: Any = properties
            for name in path:
                value = mapping(value).get(name)
            yield path, value
        case _:
            yield from _nested_targets(resource)


def _nested_targets(resource: Resource) -> Iterator[tuple[_Path, Any]]:
    """Yield the functions that are named deeper in a resource."""
    properties = resource.properties
    path: _Path
    match resource.type:
        case "AWS::Cognito::UserPool":
            for name, trigger in mapping(properties.get("LambdaConfig")).items():
                is_mapping = "LambdaArn" in mapping(trigger)
                path = ("LambdaConfig", name, "LambdaArn") if is_mapping else ("LambdaConfig", name)
                yield path, mapping(trigger)["LambdaArn"] if is_mapping else trigger
        case "AWS::IoT::TopicRule":
            payload = mapping(properties.get("TopicRulePayload"))
            for index, action in enumerate(items(payload.get("Actions"))):
                path = ("TopicRulePayload", "Actions", index, "Lambda", "FunctionArn")
                yield path, mapping(mapping(action).get("Lambda")).get("FunctionArn")
            error = mapping(mapping(payload.get("ErrorAction")).get("Lambda"))
            yield (
                ("TopicRulePayload", "ErrorAction", "Lambda", "FunctionArn"),
                error.get("FunctionArn"),
            )
        case "AWS::S3::Bucket":
            configuration = mapping(properties.get("NotificationConfiguration"))
            for index, each in enumerate(items(configuration.get("LambdaConfigurations"))):
                path = ("NotificationConfiguration", "LambdaConfigurations", index, "Function")
                yield path, mapping(each).get("Function")
        case "AWS::ElasticLoadBalancingV2::TargetGroup" if properties.get("TargetType") == "lambda":
            for index, each in enumerate(items(properties.get("Targets"))):
                yield ("Targets", index, "Id"), mapping(each).get("Id")
        case "AWS::StepFunctions::StateMachine" | "AWS::Serverless::StateMachine":
            text = _definition(resource)
            for name, value in mapping(properties.get("DefinitionSubstitutions")).items():
                state = rf"(?:Resource|FunctionName)['\"]?\s*:\s*['\"]?\$\{{{re.escape(name)}\}}['\"]?\s*(?:[,}}\n]|$)"
                # A state that has the function in its text, or a qualifier beside it, adds an alias.
                if "Qualifier" not in text and re.search(state, text):
                    yield ("DefinitionSubstitutions", name), value
        case _:
            pass


def _definition(resource: Resource) -> str:
    """Return the text of a state machine; an empty one if it is not here."""
    properties = resource.properties
    given = properties.get("DefinitionString", properties.get("Definition"))
    uri = properties.get("DefinitionUri")
    if given is not None or not isinstance(uri, str):
        return given if isinstance(given, str) else repr(given)
    try:
        return (resource.template.file.parent / uri).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""


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
