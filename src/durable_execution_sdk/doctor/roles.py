"""The actions that a function's role allows, as far as the template tells."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from durable_execution_sdk.dev.discovery.cloudformation import Tree, mapping
from durable_execution_sdk.doctor.findings import Place
from durable_execution_sdk.doctor.references import UNKNOWN, References
from durable_execution_sdk.doctor.template import (
    LambdaFunction,
    Resource,
    Template,
    is_intrinsic,
    items,
)

DURABLE_POLICY = "AWSLambdaBasicDurableExecutionRolePolicy"
CHECKPOINTS = ("lambda:CheckpointDurableExecution", "lambda:GetDurableExecutionState")

_MANAGED: dict[str, tuple[str, ...]] = {
    DURABLE_POLICY: CHECKPOINTS,
    "AdministratorAccess": ("*",),
    "PowerUserAccess": ("*",),
    "AWSLambda_FullAccess": ("lambda:*",),
    "AWSLambdaRole": ("lambda:InvokeFunction",),
    "AWSLambdaBasicExecutionRole": (),
    "AWSLambdaVPCAccessExecutionRole": (),
    "AWSLambdaSQSQueueExecutionRole": (),
    "AWSLambdaKinesisExecutionRole": (),
    "AWSLambdaDynamoDBExecutionRole": (),
    "AWSLambdaMSKExecutionRole": (),
    "AWSXRayDaemonWriteAccess": (),
    "AWSXrayWriteOnlyAccess": (),
    "CloudWatchLambdaInsightsExecutionRolePolicy": (),
}
"""Actions of managed policies, without those that no check asks for."""


_CONNECTOR = "AWS::Serverless::Connector"
_POLICIES = ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy")


class Statement(NamedTuple):
    """An allowing statement of a policy: patterns of its actions, and texts of its resources."""

    actions: list[str]
    resources: list[str]
    place: Place

    def allows(self, action: str) -> bool:
        """Tell if the statement is about an action."""
        return any(fnmatchcase(action.lower(), each.lower()) for each in self.actions)


class Role(NamedTuple):
    """The statements of a role. If it is not ``complete``, it may allow more than the template shows."""

    statements: list[Statement]
    complete: bool

    def lacks(self, *actions: str) -> list[str]:
        """Return the actions that the role certainly does not allow."""
        if not self.complete:
            return []
        return [
            action
            for action in actions
            if not any(statement.allows(action) for statement in self.statements)
        ]


class Roles:
    """Read the roles of a template's functions."""

    def __init__(self, references: References) -> None:
        self._references = references

    def of(self, function: LambdaFunction) -> Role:
        """Return the role of a function."""
        given = function.properties.get("Role")
        if given is None:
            if not function.is_serverless:
                return Role([], complete=False)
            role = self._generated(function)
            # A connector of SAM adds rights to it.
            is_open = "Connectors" in function.tree or any(function.template.of_type(_CONNECTOR))
            role = role._replace(complete=role.complete and not is_open)
            return self._with_attached(role, f"{function.logical_id}Role", function.template)
        resource = function.template.resources.get(_role_id(given) or "")
        if resource is None or resource.type != "AWS::IAM::Role":
            return Role([], complete=False)
        own = Role(*self._own(resource))
        return self._with_attached(own, resource.logical_id, function.template)

    def _with_attached(self, role: Role, role_id: str, template: Template) -> Role:
        """Return a role with the policies that the template attaches to it."""
        statements, complete = role
        for policy in template.of_type(*_POLICIES):
            given_to = policy.properties.get("Roles", policy.properties.get("RoleName"))
            ids = {_role_id(each) for each in items(given_to)}
            if role_id in ids:
                document = policy.properties.get("PolicyDocument")
                added, known = self._statements(document, policy, "PolicyDocument")
                statements = [*statements, *added]
                complete = complete and known
            elif any(is_intrinsic(each) and _role_id(each) is None for each in items(given_to)):
                complete = False
        return Role(statements, complete)

    def _generated(self, function: LambdaFunction) -> Role:
        """Return the role that SAM makes, with its managed policy for a durable function."""
        statements: list[Statement] = []
        complete = True
        if function.is_durable:
            statements.append(Statement([*CHECKPOINTS], ["*"], function.place()))
        for index, policy in enumerate(items(function.properties.get("Policies"))):
            path = (
                ("Policies", index)
                if isinstance(function.properties["Policies"], list)
                else ("Policies",)
            )
            place = function.place(*path)
            if isinstance(policy, str) or not mapping(policy):
                known = _MANAGED.get(str(policy).rpartition("/")[2])
                complete = complete and known is not None
                statements.append(Statement([*(known or ())], ["*"], place))
            elif "Statement" in policy:
                added, known_all = self._statements(policy, function, *path)
                statements += added
                complete = complete and known_all
            elif "LambdaInvokePolicy" in policy:
                name = mapping(policy["LambdaInvokePolicy"]).get("FunctionName")
                resource = f"{self._references.text(name)}*"
                statements.append(Statement(["lambda:InvokeFunction"], [resource], place))
            elif is_intrinsic(policy):
                complete = False
        return Role(statements, complete)

    def _own(self, role: Resource) -> tuple[list[Statement], bool]:
        statements: list[Statement] = []
        complete = True
        for index, managed in enumerate(items(role.properties.get("ManagedPolicyArns"))):
            known = _MANAGED.get(self._references.text(managed).rpartition("/")[2])
            complete = complete and known is not None
            place = role.place("ManagedPolicyArns", index)
            statements.append(Statement([*(known or ())], ["*"], place))
        for index, policy in enumerate(items(role.properties.get("Policies"))):
            document = mapping(policy).get("PolicyDocument")
            added, known_all = self._statements(document, role, "Policies", index, "PolicyDocument")
            statements += added
            complete = complete and known_all and bool(mapping(document))
        return statements, complete

    def _statements(
        self, document: Any, resource: Resource, *path: str | int
    ) -> tuple[list[Statement], bool]:
        """Return the allowing statements of a document, and True if it can have no others."""
        tree = mapping(document)
        statements: list[Statement] = []
        complete = not is_intrinsic(document)
        listed = isinstance(tree.get("Statement"), list)
        for index, each in enumerate(items(tree.get("Statement"))):
            statement: Tree = mapping(each)
            effect = statement.get("Effect", "Allow")
            named = items(statement.get("Action", "*" if "NotAction" in statement else None))
            complete = complete and not any(map(is_intrinsic, (each, effect, *named)))
            if effect == "Allow" and not is_intrinsic(each):
                where = ("Statement", index) if listed else ("Statement",)
                statements.append(
                    Statement(
                        [action for action in named if isinstance(action, str)],
                        self._references.resource_texts(statement),
                        resource.place(*path, *where, "Resource"),
                    )
                )
        return statements, complete

    def all_statements(self, resource: Resource) -> Iterator[Statement]:
        """Yield the allowing statements that are written in a resource."""
        if isinstance(resource, LambdaFunction):
            if resource.is_serverless:
                yield from self._generated(resource).statements
        elif resource.type == "AWS::IAM::Role":
            yield from self._own(resource)[0]
        elif resource.type in _POLICIES:
            document = resource.properties.get("PolicyDocument")
            yield from self._statements(document, resource, "PolicyDocument")[0]


def _role_id(value: Any) -> str | None:
    match value:
        case {"Fn::GetAtt": [str(name), _]} | {"Ref": str(name)}:
            return name
        case {"Fn::GetAtt": str(text)}:
            return text.partition(".")[0]
        case _:
            return None


__all__ = ["CHECKPOINTS", "DURABLE_POLICY", "UNKNOWN", "Role", "Roles", "Statement"]
