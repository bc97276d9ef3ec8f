"""Functions that a template refers to, and whether a reference names a version or an alias.

A reference is reduced to a text in which a function of the template is ``{LogicalId}``, and anything that
only a deployment knows is one mark. So ``!Sub ${Orders.Arn}:live`` and ``!Ref OrdersAlias`` become ARNs that are
read like those written out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from durable_execution_sdk.doctor.template import LambdaFunction, Template, items

UNKNOWN = "\N{REPLACEMENT CHARACTER}"

_ARN = "arn:aws:lambda:region:account:function:"
_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")
_TARGET = re.compile(
    r"(?:arn:[^:]*:lambda:[^:]*:[^:]*:function:)?(?P<name>[^:/]+)(?::(?P<qualifier>[^/]+))?"
)
_PSEUDO = {"AWS::Partition": "aws", "AWS::Region": "region", "AWS::AccountId": "account"}


class Target(NamedTuple):
    """The function of a reference: of this template, or another one; ``qualifier`` is a version or an alias."""

    function: LambdaFunction | None
    qualifier: str | None
    text: str

    @property
    def is_unqualified_durable(self) -> bool:
        """Tell if this is a durable function of the template without a version or an alias."""
        return self.function is not None and self.function.is_durable and not self.qualifier


class References:
    """Resolve the references of a template."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._resolving: set[str] = set()
        self._names = {f"{{{name}}}": function for name, function in template.functions.items()}
        self._functions = [*template.functions.values()]
        for function in self._functions:
            name = self.text(function.properties.get("FunctionName"))
            if UNKNOWN not in name:
                self._names[name] = function

    def has_name(self, name: str) -> bool:
        """Tell if a function of the template has this FunctionName, or may have it."""
        given = (self.text(each.properties.get("FunctionName", "")) for each in self._functions)
        return any(text == name or UNKNOWN in text for text in given)

    def aliases(self, function: LambdaFunction) -> set[str] | None:
        """Return the aliases that the template makes of a function; ``None`` if only a deployment knows them."""
        found = {"version"}
        if function.alias:
            found |= {"alias", self.text(function.alias)}
        for resource in self._template.resources.values():
            if resource.type == "AWS::Lambda::Alias":
                target = self.target(resource.properties.get("FunctionName"))
                if target is None:
                    return None
                if target.function is function:
                    found.add(self.text(resource.properties.get("Name")))
        return None if any(UNKNOWN in each for each in found) else found

    def target(self, value: Any) -> Target | None:
        """Return the function that a value names; ``None`` if the value is unknown or names no function."""
        text = self.text(value)
        uri = text.partition("/functions/")[2]
        if uri:
            text = uri.removesuffix("/invocations")
        match = _TARGET.fullmatch(text)
        if match is None or UNKNOWN in match["name"]:
            return None
        readable = text.removeprefix(_ARN).replace("{", "").replace("}", "")
        return Target(self._names.get(match["name"]), match["qualifier"], readable)

    def text(self, value: Any) -> str:
        """Return the text of a value."""
        match value:
            case {"Ref": str(name)}:
                return self._referenced(name)
            case {"Fn::Sub": str(text)}:
                return self._substituted(text, {})
            case {"Fn::Sub": [str(text), {**variables}]}:
                return self._substituted(text, {str(k): self.text(v) for k, v in variables.items()})
            case {"Fn::GetAtt": [str(name), attribute]}:
                return self._attribute(name, str(attribute))
            case {"Fn::GetAtt": str(text)}:
                name, _, attribute = text.partition(".")
                return self._attribute(name, attribute)
            case {"Fn::Join": [str(separator), [*parts]]}:
                return separator.join(self.text(part) for part in parts)
            case {"Fn::If": [_, then, otherwise]}:
                first, second = self.text(then), self.text(otherwise)
                return first if first == second else UNKNOWN
            case str() | int():
                return str(value)
            case _:
                return UNKNOWN

    def _referenced(self, name: str) -> str:
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self._template.functions:
            return f"{{{name}}}"
        logical_id, dot, kind = name.rpartition(".")
        if dot and kind in {"Alias", "Version"} and logical_id in self._template.functions:
            return f"{_ARN}{{{logical_id}}}:{kind.lower()}"
        resource = self._template.resources.get(name)
        if resource is not None and resource.type in _QUALIFIED:
            if name in self._resolving:
                return UNKNOWN
            self._resolving.add(name)
            target = self.text(resource.properties.get("FunctionName"))
            self._resolving.remove(name)
            arn = target if target.startswith("arn:") else f"{_ARN}{target}"
            return f"{arn}:{resource.properties.get('Name', 'version')}"
        default = self._template.default(name)
        return default if isinstance(default, str) and default else UNKNOWN

    def _attribute(self, name: str, attribute: str) -> str:
        if name in self._template.functions and attribute == "Arn":
            return f"{_ARN}{{{name}}}"
        resource = self._template.resources.get(name)
        is_arn = attribute in {"Arn", "AliasArn", "FunctionArn"}
        if resource is not None and is_arn and resource.type in _QUALIFIED:
            return self._referenced(name)
        return UNKNOWN

    def _substituted(self, text: str, variables: Mapping[str, str]) -> str:
        def replaced(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name in variables:
                return variables[name]
            logical_id, dot, attribute = name.partition(".")
            if dot and attribute not in {"Alias", "Version"}:
                return self._attribute(logical_id, attribute)
            return self._referenced(name)

        return _VARIABLE.sub(replaced, text).replace("${!", "${")

    def resource_texts(self, statement: Mapping[str, Any]) -> list[str]:
        """Return the resources of a policy's statement."""
        return [self.text(each) for each in items(statement.get("Resource"))]


_QUALIFIED = frozenset({"AWS::Lambda::Alias", "AWS::Lambda::Version"})
