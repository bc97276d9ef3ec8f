"""Checks of the names by which code and template know the functions that are invoked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.checks.invokes import invokes, variables_of
from durable_execution_sdk.doctor.findings import Fault, Level, Place, check
from durable_execution_sdk.doctor.module import Module
from durable_execution_sdk.doctor.template import LambdaFunction

_ALIAS = re.compile(r"(?!\d+$)[\w-]+")


def given_targets(app: Application, function: LambdaFunction) -> Iterator[tuple[Place, object]]:
    """Yield what a function's code invokes, as the code or the template writes it, and the place of that."""
    variables = variables_of(function)
    for invoke in invokes(app, function):
        if invoke.variable is not None and variables is not None and invoke.variable in variables:
            place = function.place("Environment", "Variables", invoke.variable)
            yield place, variables[invoke.variable]
        elif invoke.text is not None and (invoke.variable is None or variables is not None):
            yield invoke.place, invoke.text


@check(
    "DOC206",
    Level.ERROR,
    reason="Lambda knows a function by its FunctionName, and CloudFormation makes one up where the template has none",
    fix="read the name from an environment variable that the template sets to the function's alias, or set FunctionName",
)
def logical_ids(app: Application) -> Iterator[Fault]:
    """Find invokes of a function by its name in the template."""
    for function in app.template.functions.values():
        for place, value in given_targets(app, function):
            name = logical_id(app, value)
            if name is not None:
                yield place, f"this invokes {value!r}, and {name} is the name in the template only"


def logical_id(app: Application, value: object) -> str | None:
    """Return the name in the template by which a text names a function that has another name on AWS."""
    name = value.partition(":")[0] if isinstance(value, str) else ""
    is_one = name in app.template.functions and not app.references.has_name(name)
    return name if is_one else None


@check(
    "DOC207",
    Level.WARNING,
    reason="the code reads another variable, which is not set, and so invokes its default",
    fix="use the same name in the template and in the code, or remove the variable",
)
def unread_variables(app: Application) -> Iterator[Fault]:
    """Find variables for invokes that the template sets under another name than the code reads."""
    for function in app.durable:
        variables = variables_of(function) or {}
        unset = (each for each in invokes(app, function) if each.variable not in {None, *variables})
        if not any(_is_elsewhere(app, each.text) for each in unset):
            continue
        for name in unread(app, function):
            yield (
                function.place("Environment", "Variables", name),
                f"no code of {function.logical_id} reads {name}",
            )


def unread(app: Application, function: LambdaFunction) -> Iterator[str]:
    """Yield the environment variables that have a durable function, and that no code names."""
    for name, value in (variables_of(function) or {}).items():
        target = app.references.target(value)
        is_durable = target and target.function and target.function.is_durable
        if is_durable and not any(_names(module, name) for module in app.modules):
            yield name


def _is_elsewhere(app: Application, default: str | None) -> bool:
    """Tell if a default names a function that the template does not have."""
    target = None if default is None else app.references.target(default)
    return target is not None and target.function is None


def _names(module: Module, variable: str) -> bool:
    return f'"{variable}"' in module.text or f"'{variable}'" in module.text


@check(
    "DOC208",
    Level.WARNING,
    reason="the template makes the function and its aliases, and none of this name",
    fix="name an alias of the template, as !Ref Function.Alias in SAM and !Ref of the AWS::Lambda::Alias elsewhere do",
)
def unknown_aliases(app: Application) -> Iterator[Fault]:
    """Find invokes of a durable function by an alias that the template does not make."""
    for function in app.template.functions.values():
        for place, value in given_targets(app, function):
            target = app.references.target(value)
            if target is None or target.function is None or not target.function.is_durable:
                continue
            known = app.references.aliases(target.function)
            # A number, $LATEST, or a name that a deployment knows may be right.
            qualifier = target.qualifier or ""
            if known is not None and _ALIAS.fullmatch(qualifier) and qualifier not in known:
                made = ", ".join(sorted(known - {"alias", "version"})) or "none"
                yield (
                    place,
                    f"this invokes {target.text}, and the template's aliases of it are: {made}",
                )


CHECKS = (logical_ids, unread_variables, unknown_aliases)
