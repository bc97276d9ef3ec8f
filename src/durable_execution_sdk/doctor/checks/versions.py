"""Checks of the versions that open executions stay on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.findings import Fault, Level, check
from durable_execution_sdk.doctor.template import LambdaFunction, Resource

_VERSION_OF_SAM = re.compile(r"Version[0-9a-f]{10}$")


@check(
    "DOC501",
    Level.ERROR,
    reason="executions stay on the version that they began with, and CloudFormation deletes a version that a"
    " newer one replaces",
    fix="set DeletionPolicy: Retain on the version; in SAM VersionDeletionPolicy: Retain; in CDK current_version_options="
    "VersionOptions(removal_policy=RemovalPolicy.RETAIN)",
)
def deleted_versions(app: Application) -> Iterator[Fault]:
    """Find versions of durable functions that a deployment deletes."""
    for resource in app.template.of_type("AWS::Lambda::Version"):
        target = app.references.target(resource.properties.get("FunctionName"))
        function = None if target is None else target.function
        is_durable = function is not None and function.is_durable
        if function is not None and is_durable and not _is_kept(app, resource, "DeletionPolicy"):
            name = f"the version {resource.logical_id} of {function.logical_id}"
            yield resource.head, f"{name} is not retained"
    for function in app.durable:
        name, policy = _policy_of_sam(function)
        if function.alias and app.template.value(policy) == "Delete":
            place = function.head if name == "DeletionPolicy" else function.place(name)
            yield place, f"the versions of {function.logical_id} are not retained"


def _policy_of_sam(function: LambdaFunction) -> tuple[str, Any]:
    """Return the setting by which SAM retains or deletes the versions that it makes, and its value."""
    if "DeletionPolicy" in function.tree:
        return "DeletionPolicy", function.tree["DeletionPolicy"]
    if "VersionDeletionPolicy" in function.properties:
        return "VersionDeletionPolicy", function.properties["VersionDeletionPolicy"]
    is_managed = "CapacityProviderConfig" in function.properties
    return "AutoPublishAlias", "Delete" if is_managed else "Retain"


@check(
    "DOC502",
    Level.WARNING,
    reason="executions on $LATEST go on with the code that is deployed next, which may not fit their log",
    fix="publish versions behind an alias: AutoPublishAlias in SAM, AWS::Lambda::Version and Alias elsewhere",
)
def no_versions(app: Application) -> Iterator[Fault]:
    """Find durable functions that have neither a version nor an alias of one."""
    versioned: set[str] = set()
    for resource in app.template.of_type("AWS::Lambda::Version", "AWS::Lambda::Alias"):
        # An alias of $LATEST moves with each deployment, as $LATEST does.
        if app.template.value(resource.properties.get("FunctionVersion")) == "$LATEST":
            continue
        target = app.references.target(resource.properties.get("FunctionName"))
        if target is not None and target.function is not None:
            versioned.add(target.function.logical_id)
    for function in app.durable:
        if function.logical_id not in versioned and not function.alias:
            yield function.head, f"{function.logical_id} publishes no versions"


@check(
    "DOC503",
    Level.NOTE,
    reason="without it SAM publishes a version for changed code only, so the alias keeps older settings",
    fix="set AutoPublishAliasAllProperties: true",
)
def partial_versions(app: Application) -> Iterator[Fault]:
    """Find aliases of SAM that do not follow all changes."""
    for function in app.durable:
        if function.alias and not function.properties.get("AutoPublishAliasAllProperties"):
            yield (
                function.place("AutoPublishAlias"),
                f"{function.logical_id} publishes only changed code",
            )


@check(
    "DOC504",
    Level.WARNING,
    reason="each property of a version that changes makes CloudFormation replace it, and DeletionPolicy does not"
    " keep what is replaced",
    fix="set UpdateReplacePolicy: Retain beside DeletionPolicy",
)
def replaced_versions(app: Application) -> Iterator[Fault]:
    """Find versions of durable functions that an update replaces, and so deletes."""
    for resource in app.template.of_type("AWS::Lambda::Version"):
        target = app.references.target(resource.properties.get("FunctionName"))
        function = None if target is None else target.function
        is_lost = _is_kept(app, resource, "DeletionPolicy") and not _is_kept(
            app, resource, "UpdateReplacePolicy"
        )
        # SAM gives each version another logical id, so none is ever replaced.
        is_of_sam = _VERSION_OF_SAM.search(resource.logical_id)
        if function is not None and function.is_durable and is_lost and not is_of_sam:
            name = f"the version {resource.logical_id} of {function.logical_id}"
            yield resource.head, f"{name} is not retained when it is replaced"


def _is_kept(app: Application, resource: Resource, policy: str) -> bool:
    """Tell if a policy of a resource retains it, or may retain it."""
    given = resource.tree.get(policy)
    known = "Delete" if given is None else app.template.value(given)
    return known is None or str(known) in {"Retain", "RetainExceptOnCreate"}


CHECKS = (deleted_versions, no_versions, partial_versions, replaced_versions)
