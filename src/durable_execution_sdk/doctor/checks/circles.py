"""A check of circles between resources, which CloudFormation refuses before it makes anything.

The graph has the resources of the template, and those that SAM makes of a function: its role, its version, its alias
and its URL, under the logical ids that they get. A reference in the policies of a function is one of its role, and
not of the function, so a policy that names a function whose variables name the URL of the first one closes a circle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any, cast

from durable_execution_sdk.dev.discovery.cloudformation import mapping
from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.findings import Fault, Level, Place, check
from durable_execution_sdk.doctor.template import LambdaFunction, Resource, Template, items

_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")
_OF_THE_ROLE = frozenset(
    {"Policies", "AssumeRolePolicyDocument", "PermissionsBoundary", "RolePath"}
)
_OF_THE_URL = "FunctionUrlConfig"
_OF_OTHERS = frozenset({"Events", "EventInvokeConfig", "AutoPublishAlias", "DeploymentPreference"})
# A source of events whose own definition names the function: the property of the event that names the source, and
# the logical id of the one that SAM makes without it.
_NAMING_SOURCES = {
    "Api": ("RestApiId", "ServerlessRestApi"),
    "HttpApi": ("ApiId", "ServerlessHttpApi"),
    "S3": ("Bucket", None),
    "Cognito": ("UserPool", None),
}

_Path = tuple[str | int, ...]


class _Graph:
    """The resources that each resource needs before it, with the place of the reference; ``None`` if SAM makes it."""

    def __init__(self, template: Template) -> None:
        self._resources = template.resources
        self._generated = {
            generated: function.logical_id
            for function in template.functions.values()
            for generated in _generated_ids(function)
        }
        self._edges: dict[str, dict[str, Place | None]] = {}
        for name, resource in template.resources.items():
            self._read(template.functions.get(name, resource))

    def circles(self) -> Iterator[tuple[Place, list[str]]]:
        """Yield circles that have no reference in common: the place of the first reference, and the logical ids."""
        while True:
            try:
                TopologicalSorter(self._edges).prepare()
            except CycleError as error:
                *nodes, _ = reversed(cast("list[str]", error.args[1]))
            else:
                return
            steps = list(zip(nodes, [*nodes[1:], nodes[0]], strict=True))
            places = [self._edges[node].pop(needed) for node, needed in steps]
            # SAM's own references alone close no circle, so one is written in the template.
            written = [(place, at) for at, place in enumerate(places) if place is not None]
            place, first = min(written, key=lambda each: each[0].line or 0)
            yield place, [*nodes[first:], *nodes[: first + 1]]

    def _read(self, resource: Resource) -> None:
        for name in items(resource.tree.get("DependsOn")):
            place = resource.template.place("Resources", resource.logical_id, "DependsOn")
            self._add(resource.logical_id, str(name), place)
        if isinstance(resource, LambdaFunction) and resource.is_serverless:
            self._read_serverless(resource)
        else:
            self._refer(resource.logical_id, resource, resource.properties, ())

    def _read_serverless(self, function: LambdaFunction) -> None:
        name = function.logical_id
        below = name
        if "Role" not in function.properties:
            self._add(name, f"{name}Role", None)
        for generated in _generated_ids(function)[1:]:
            self._add(generated, below, None)
            below = generated if generated != f"{name}Url" else below
        for property_name, value in function.properties.items():
            if property_name in _OF_THE_ROLE:
                if "Role" not in function.properties:
                    self._refer(f"{name}Role", function, value, (property_name,))
            elif property_name == _OF_THE_URL:
                self._refer(f"{name}Url", function, value, (property_name,))
            elif property_name not in _OF_OTHERS:
                self._refer(name, function, value, (property_name,))
        for event_name, event in mapping(function.properties.get("Events")).items():
            kind = str(mapping(event).get("Type"))
            key, usual = _NAMING_SOURCES.get(kind, ("", None))
            source = mapping(mapping(event).get("Properties")).get(key) if key else None
            named = [each for each, _ in _references(source, ())] or ([usual] if usual else [])
            for each in filter(self._is_completed, named):
                place = function.place("Events", event_name)
                self._edges.setdefault(each, {}).setdefault(below, place)

    def _is_completed(self, source: str) -> bool:
        """Tell if SAM writes the function into a source: an API with a document of its own stays as it is."""
        resource = self._resources.get(source)
        return resource is None or "DefinitionUri" not in resource.properties

    def _refer(self, node: str, resource: Resource, value: Any, path: _Path) -> None:
        for name, where in _references(value, path):
            self._add(node, name, resource.place(*where))

    def _add(self, node: str, name: str, place: Place | None) -> None:
        needed = self._node(name)
        if needed is not None:
            self._edges.setdefault(node, {}).setdefault(needed, place)

    def _node(self, name: str) -> str | None:
        """Return the resource that a reference names; ``None`` for a parameter, or what is not known here."""
        if name in self._resources or name in self._generated or name in _USUAL_SOURCES:
            return name
        owner, _, kind = name.rpartition(".")
        if owner in self._resources:
            for generated, function in self._generated.items():
                if function == owner and generated.startswith(f"{owner}{kind}"):
                    return generated
            return owner
        return None


_USUAL_SOURCES = frozenset(usual for _, usual in _NAMING_SOURCES.values() if usual)


def _generated_ids(function: LambdaFunction) -> list[str]:
    """Return the ids of what SAM makes of a function: its role, and then each after what it needs."""
    if not function.is_serverless:
        return []
    name = function.logical_id
    found = [f"{name}Role"]
    if function.alias:
        alias = function.template.value(function.alias)
        found += [f"{name}Version", f"{name}Alias{alias}"]
    if _OF_THE_URL in function.properties:
        found.append(f"{name}Url")
    return found


def _references(value: Any, path: _Path) -> Iterator[tuple[str, _Path]]:
    """Yield the names that a value refers to, with their places in it.

    Of a condition, only the names in both branches count: a deployment has one of the two.
    """
    match value:
        case {"Ref": str(name)}:
            yield name, path
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name, path
        case {"Fn::GetAtt": str(text)}:
            yield text.partition(".")[0], path
        case {"Fn::Sub": str(text)}:
            yield from _substituted(text, frozenset(), path)
        case {"Fn::Sub": [str(text), {**variables}]}:
            yield from _substituted(text, frozenset(map(str, variables)), path)
            yield from _references(variables, path)
        case {"Fn::If": [_, then, otherwise]}:
            others = {name for name, _ in _references(otherwise, path)}
            yield from ((name, path) for name, _ in _references(then, path) if name in others)
        case dict():
            for key, part in mapping(value).items():
                yield from _references(part, (*path, key))
        case list():
            for index, part in enumerate(items(value)):
                yield from _references(part, (*path, index))
        case _:
            return


def _substituted(text: str, variables: frozenset[str], path: _Path) -> Iterator[tuple[str, _Path]]:
    for match in _VARIABLE.finditer(text):
        name = match[1].strip()
        if name not in variables:
            owner, dot, attribute = name.partition(".")
            yield (name if dot and attribute in {"Alias", "Version"} else owner), path


@check(
    "DOC209",
    Level.ERROR,
    reason="CloudFormation makes a resource after those that it refers to, and refuses circular dependencies",
    fix="give one function a FunctionName such as !Sub ${AWS::StackName}-order, and write its ARN with that name"
    " in place of the reference",
)
def circles(app: Application) -> Iterator[Fault]:
    """Find resources that need one another, and so can none be made first."""
    for place, names in _Graph(app.template).circles():
        yield place, f"each of these refers to the next: {', '.join(names)}"


CHECKS = (circles,)
