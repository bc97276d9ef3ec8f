"""Checks of the roles of durable functions, and of the policies of those that call and answer them."""

from __future__ import annotations

from collections.abc import Iterator

from durable_execution_sdk.dev.discovery.cloudformation import mapping
from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.checks.targets import invokes
from durable_execution_sdk.doctor.findings import Fault, Level, check
from durable_execution_sdk.doctor.references import Target
from durable_execution_sdk.doctor.roles import CHECKPOINTS, DURABLE_POLICY, Statement
from durable_execution_sdk.doctor.source import calls
from durable_execution_sdk.doctor.template import (
    LambdaFunction,
    Resource,
    is_intrinsic,
    items,
    may_be_absent,
)
from durable_execution_sdk.lint.names import dotted

_INVOKE = "lambda:InvokeFunction"
_KMS = ("kms:Decrypt", "kms:GenerateDataKey")
_OF_EXECUTIONS = (
    "lambda:SendDurableExecutionCallbackSuccess",
    "lambda:SendDurableExecutionCallbackFailure",
    "lambda:SendDurableExecutionCallbackHeartbeat",
    "lambda:GetDurableExecution",
    "lambda:GetDurableExecutionHistory",
    "lambda:StopDurableExecution",
    *CHECKPOINTS,
)


@check(
    "DOC301",
    Level.ERROR,
    reason="the SDK records each operation, and reads the log when it is long",
    fix=f"attach the managed policy service-role/{DURABLE_POLICY} to the role",
)
def checkpoints(app: Application) -> Iterator[Fault]:
    """Find roles of durable functions that allow no checkpoints."""
    for function in app.durable:
        lacking = app.roles.of(function).lacks(*CHECKPOINTS)
        if lacking:
            yield (
                function.place("Role"),
                f"the role of {function.logical_id} does not allow {' and '.join(lacking)}",
            )


@check(
    "DOC302",
    Level.ERROR,
    reason="ctx.invoke invokes with the role of the function that runs it",
    fix=f"allow {_INVOKE} on the alias that the code invokes",
)
def invoke_function(app: Application) -> Iterator[Fault]:
    """Find functions whose code invokes others, and whose role does not allow it."""
    for function in app.durable:
        found = invokes(app, function)
        if found and app.roles.of(function).lacks(_INVOKE):
            yield (
                function.head,
                (
                    f"{function.logical_id} invokes a function ({found[0].place}), but its role does not allow"
                    f" {_INVOKE}"
                ),
            )


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
    "DOC303",
    Level.ERROR,
    reason="a policy for the ARN without a version or an alias does not cover calls by an alias,"
    " by which alone a durable function can be invoked",
    fix="name the ARN of the alias, or the ARN followed by :*",
)
def invoke_resources(app: Application) -> Iterator[Fault]:
    """Find policies that allow to invoke a durable function by its unqualified ARN only."""
    for resource in app.template.resources.values():
        for statement in _statements(app, resource):
            if not any(action.lower() == _INVOKE.lower() for action in statement.actions):
                continue
            targets = _targets(app, statement.resources)
            for target in targets:
                others = (each for each in targets if each.function is target.function)
                if target.is_unqualified_durable and not any(each.qualifier for each in others):
                    yield statement.place, f"{resource.logical_id} may invoke {target.text} only"


@check(
    "DOC304",
    Level.ERROR,
    reason="the service compares it with the ARN of the execution, in which a version always is, and an alias never",
    fix="write the ARN of the function followed by :*",
)
def execution_resources(app: Application) -> Iterator[Fault]:
    """Find policies about executions whose resource matches the ARN of none."""
    wanted = {each.lower(): each for each in _OF_EXECUTIONS}
    for resource in app.template.resources.values():
        for statement in _statements(app, resource):
            # A pattern may be meant for other actions, for which the ARN is right.
            exact = [wanted[each.lower()] for each in statement.actions if each.lower() in wanted]
            targets = _targets(app, statement.resources) if exact else []
            matching = {id(each.function) for each in targets if _matches_executions(each)}
            for target in targets:
                if id(target.function) not in matching:
                    action = exact[0].removeprefix("lambda:")
                    yield statement.place, f"{resource.logical_id} allows {action} on {target.text}"


def _matches_executions(target: Target) -> bool:
    """Tell if an ARN can match that of an execution: it has a pattern, ``$LATEST`` or a number, but no alias."""
    qualifier = target.qualifier
    if not qualifier:
        return False
    return qualifier == "version" or "*" in qualifier or qualifier[0] in "$0123456789?"


def _statements(app: Application, resource: Resource) -> Iterator[Statement]:
    return app.roles.all_statements(app.template.functions.get(resource.logical_id, resource))


def _targets(app: Application, resources: list[str]) -> list[Target]:
    """Return the functions that resources of a policy name; a pattern that ends in a star covers all qualifiers."""
    found: list[Target] = []
    for text in resources:
        stem = text.removesuffix("*")
        target = app.references.target(stem.removesuffix(":"))
        if target is not None and target.function is not None:
            found.append(
                target._replace(qualifier="*") if stem != text and not target.qualifier else target
            )
    return found


@check(
    "DOC305",
    Level.WARNING,
    reason="Lambda reads and writes the execution's data with that key, and stops the execution without it",
    fix=f"let the key's policy, or the role, allow {' and '.join(_KMS)} on the key",
)
def key(app: Application) -> Iterator[Fault]:
    """Find durable functions with a key of their own that neither their role nor its policy lets them use."""
    for function in app.durable:
        given = function.durable_config.get("KMSKeyArn")
        if not given or may_be_absent(given) or app.template.value(given) == "":
            continue
        lacking = [
            each
            for each in app.roles.of(function).lacks(*_KMS)
            if not _key_allows(app, function, each)
        ]
        if lacking:
            yield (
                function.place("DurableConfig", "KMSKeyArn"),
                f"the role of {function.logical_id} does not allow {' and '.join(lacking)}",
            )


def _key_allows(app: Application, function: LambdaFunction, action: str) -> bool:
    """Tell if the policy of a key may name a principal other than the account for an action."""
    given = function.durable_config.get("KMSKeyArn")
    for key_ in app.template.of_type("AWS::KMS::Key"):
        if key_.logical_id not in repr(given):
            continue
        policy = key_.properties.get("KeyPolicy")
        for each in [policy, *items(mapping(policy).get("Statement"))]:
            if is_intrinsic(each):
                return True
            statement = mapping(each)
            root = app.references.text(mapping(statement.get("Principal")).get("AWS")).endswith(
                ":root"
            )
            patterns = {str(name).lower() for name in items(statement.get("Action"))}
            if not root and patterns & {action.lower(), "kms:*", f"{action.lower()}*"}:
                return True
    return False


CHECKS = (
    checkpoints,
    invoke_function,
    invoke_resources,
    execution_resources,
    key,
    continue_as_new,
)
