"""Checks of the roles of durable functions, and of the policies of those that call and answer them."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from durable_execution_sdk.dev.discovery.cloudformation import mapping
from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.checks.invokes import invokes
from durable_execution_sdk.doctor.checks.names import given_targets, logical_id, unread
from durable_execution_sdk.doctor.findings import Fault, Level, check
from durable_execution_sdk.doctor.references import UNKNOWN, Target
from durable_execution_sdk.doctor.roles import CHECKPOINTS, DURABLE_POLICY, Role, Statement
from durable_execution_sdk.doctor.template import (
    LambdaFunction,
    Resource,
    is_intrinsic,
    items,
    may_be_absent,
)

_INVOKE = "lambda:InvokeFunction"
_KMS = ("kms:Decrypt", "kms:GenerateDataKey")
_OF_EXECUTIONS = (
    "lambda:SendDurableExecutionCallbackSuccess",
    "lambda:SendDurableExecutionCallbackFailure",
    "lambda:SendDurableExecutionCallbackHeartbeat",
    "lambda:GetDurableExecution",
    "lambda:GetDurableExecutionHistory",
    "lambda:StopDurableExecution",
    "lambda:PauseDurableExecution",
    "lambda:ResumeDurableExecution",
    "lambda:DeleteDurableExecution",
    *CHECKPOINTS,
)
# Its resource is a function, so a pattern of actions with it may have another resource.
_OF_FUNCTIONS = "lambda:ListDurableExecutionsByFunction"


@check(
    "DOC301",
    Level.ERROR,
    reason="the SDK records each operation, and reads the log when it is long",
    fix=f"attach the managed policy service-role/{DURABLE_POLICY} to the role",
)
def checkpoints(app: Application) -> Iterator[Fault]:
    """Find roles of durable functions that allow no checkpoints."""
    for function in app.durable:
        role = app.roles.of(function)
        lacking = role.lacks(*CHECKPOINTS)
        itself = Target(function, None, function.logical_id)
        elsewhere = [each for each in CHECKPOINTS if not _may(app, role, each, itself)]
        if lacking:
            yield (
                function.place("Role"),
                f"the role of {function.logical_id} does not allow {' and '.join(lacking)}",
            )
        elif role.complete and elsewhere:
            yield (
                function.place("Role"),
                f"the role of {function.logical_id} allows {' and '.join(elsewhere)} on others only",
            )


@check(
    "DOC302",
    Level.ERROR,
    reason="a call invokes with the role of the function that makes it",
    fix=f"allow {_INVOKE} on the alias that the code invokes",
)
def invoke_function(app: Application) -> Iterator[Fault]:
    """Find functions whose code invokes others, and whose role does not allow it."""
    for function in app.template.functions.values():
        found = invokes(app, function)
        role = app.roles.of(function)
        if found and role.lacks(_INVOKE):
            yield (
                function.head,
                (
                    f"{function.logical_id} invokes a function ({found[0].place}), but its role does not allow"
                    f" {_INVOKE}"
                ),
            )
        elif role.complete and not any(unread(app, function)):
            for place, value in given_targets(app, function):
                target = None if logical_id(app, value) else app.references.target(value)
                if target is not None and not _may(app, role, _INVOKE, target):
                    yield (
                        place,
                        f"{function.logical_id} invokes {target.text}, but its role allows {_INVOKE} on others only",
                    )


def _may(app: Application, role: Role, action: str, target: Target) -> bool:
    """Tell if a role may allow an action on a function; its version or alias is not compared."""
    if target.function is None and app.references.has_name(_name(target)):
        return True
    return any(
        _covers(app, resource, target)
        for statement in role.statements
        if statement.allows(action)
        for resource in statement.resources
    )


def _covers(app: Application, resource: str, target: Target) -> bool:
    """Tell if a resource of a policy may be a function, whatever its version or alias."""
    _, is_named, text = resource.rpartition(":function:")
    name = text.partition(":")[0]
    if not is_named or UNKNOWN in name:
        return True
    if any(mark in name for mark in "*?["):
        function = target.function
        given = None if function is None else function.properties.get("FunctionName")
        known = _name(target) if function is None else app.references.text(given)
        return UNKNOWN in known or fnmatchcase(known, name)
    named = app.references.target(name)
    if named is None or target.function is not None:
        return named is None or named.function is target.function
    return named.function is None and _name(named) == _name(target)


def _name(target: Target) -> str:
    """Return the name of a function without its version or alias, and without the rest of its ARN."""
    return target.text.removesuffix(f":{target.qualifier}").rpartition(":")[2]


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
    for resource in app.template.resources.values():
        for statement in _statements(app, resource):
            about = [name for each in statement.actions for name in _actions_on_executions(each)]
            targets = _targets(app, statement.resources) if about else []
            matching = {id(each.function) for each in targets if _matches_executions(each)}
            for target in targets:
                if id(target.function) not in matching:
                    action = about[0].removeprefix("lambda:")
                    yield statement.place, f"{resource.logical_id} allows {action} on {target.text}"


def _actions_on_executions(pattern: str) -> list[str]:
    """Return the actions that a pattern allows, if all of them are about executions."""
    text = pattern.lower()
    # A pattern without these words allows actions on functions as well.
    is_narrow = "durableexecution" in text or text.startswith("lambda:send")
    if not is_narrow or fnmatchcase(_OF_FUNCTIONS.lower(), text):
        return []
    return [each for each in _OF_EXECUTIONS if fnmatchcase(each.lower(), text)]


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


CHECKS = (checkpoints, invoke_function, invoke_resources, execution_resources, key)
