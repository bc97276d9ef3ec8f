"""Checks of the functions that code, schedules, event sources and permissions name."""

from __future__ import annotations

from collections.abc import Iterator

from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.checks.invokes import invokes, variables_of
from durable_execution_sdk.doctor.checks.resource_targets import resource_targets
from durable_execution_sdk.doctor.findings import Fault, Level, check
from durable_execution_sdk.doctor.template import written_out

_UNQUALIFIED = "Lambda refuses to invoke a durable function without a version or an alias"


@check(
    "DOC201",
    Level.ERROR,
    reason=_UNQUALIFIED,
    fix='name one, as in ctx.invoke("ship-order:live")',
)
def invokes_without_qualifier(app: Application) -> Iterator[Fault]:
    """Find literal targets of invokes that are durable functions without a version or an alias."""
    for function in app.template.functions.values():
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
    for function in app.template.functions.values():
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
    for function in app.template.functions.values():
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
        for path, value in resource_targets(resource, app.references):
            target = app.references.target(value)
            if target is not None and target.is_unqualified_durable:
                yield resource.place(*path), f"{resource.logical_id} invokes {target.text}"


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
