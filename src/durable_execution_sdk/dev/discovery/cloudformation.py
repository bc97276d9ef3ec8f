"""Read a CloudFormation or SAM template, and resolve its references as far as a laptop can."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml

from durable_execution_sdk.dev.discovery.conditions import NO_VALUE, Conditions, looked_up
from durable_execution_sdk.dev.discovery.template_nodes import prepare
from durable_execution_sdk.errors import ConfigError

FUNCTION_TYPES = frozenset({"AWS::Serverless::Function", "AWS::Lambda::Function"})
ALIAS_TYPE = "AWS::Lambda::Alias"
_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")

Tree = dict[str, Any]
_T = TypeVar("_T")


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Tree:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(cast("yaml.MappingNode", node), deep=True)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


def _template_loader(base: Any) -> Any:
    """Derive a loader that reads CloudFormation's short forms as their long ones, and its nodes as it does."""

    def get_single_node(self: Any) -> yaml.Node | None:
        root = cast("yaml.Node | None", base.get_single_node(self))
        if root is not None:
            prepare(root)
        return root

    loader = type("TemplateLoader", (base,), {"get_single_node": get_single_node})
    cast("Any", loader).add_multi_constructor("!", _short_form)
    return loader


_LOADER = _template_loader(yaml.SafeLoader)
# That of libyaml, with which most wheels of PyYAML are built, is nine times as quick.
_QUICK_LOADER = _template_loader(yaml.CSafeLoader) if hasattr(yaml, "CSafeLoader") else None


def compose(file: Path) -> yaml.Node | None:
    """Return the root of a template's nodes, which have lines."""
    return cast("yaml.Node | None", _read(yaml.compose, file))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


def _read(read: Callable[[str, Any], _T], file: Path) -> _T:
    """Call ``yaml.load`` or ``yaml.compose`` for a template.

    The loader of PyYAML itself reads it again if libyaml refuses it, since its errors show the line.
    """
    text = _template_text(file)
    if _QUICK_LOADER is not None:
        with suppress(yaml.YAMLError):
            return read(text, _QUICK_LOADER)
    return read(text, _LOADER)


class Template:
    """A template's functions and aliases, with references resolved.

    A parameter is its default; a function is its name or its ARN here; AWS's pseudo parameters are those of
    the local account; a condition is decided by them. A reference to anything else is its logical id: nothing of it
    exists on a laptop.
    """

    def __init__(self, tree: Tree, *, region: str, account: str) -> None:
        self._region = region
        self._account = account
        self._naming: set[str] = set()
        self._parameters = {
            name: str(parameter["Default"])
            for name, parameter in mapping(tree.get("Parameters")).items()
            if "Default" in mapping(parameter)
        }
        self._resources = mapping(tree.get("Resources"))
        self._mappings = mapping(tree.get("Mappings"))
        self._conditions = Conditions(mapping(tree.get("Conditions")), self.resolve)
        self.globals = mapping(mapping(tree.get("Globals")).get("Function"))

    def resources(self, types: frozenset[str]) -> dict[str, Tree]:
        """Return the resources of these types by logical id."""
        return {
            logical_id: mapping(resource)
            for logical_id, resource in self._resources.items()
            if mapping(resource).get("Type") in types
        }

    def function_name(self, logical_id: str) -> str:
        """Return the name of a function: the one that the template gives it, or the logical id.

        The logical id stands for a name that refers to itself, too.
        """
        properties = mapping(mapping(self._resources.get(logical_id)).get("Properties"))
        if logical_id in self._naming:
            return logical_id
        self._naming.add(logical_id)
        name = self.resolve(properties.get("FunctionName"))
        self._naming.remove(logical_id)
        return name if isinstance(name, str) and name else logical_id

    def resolve(self, value: Any) -> Any:
        """Return a value with all references resolved."""
        match value:
            case {"Ref": str(name)} if len(value) == 1:
                return value if name == "AWS::NoValue" else self._referenced(name)
            case {"Fn::Sub": str(text)}:
                return self._substituted(text, {})
            case {"Fn::Sub": [str(text), {**variables}]}:
                resolved = {str(key): str(self.resolve(item)) for key, item in variables.items()}
                return self._substituted(text, resolved)
            case {"Fn::GetAtt": [str(name), attribute]}:
                return self._attribute(name, str(attribute))
            case {"Fn::Join": [separator, parts]}:
                return str(separator).join(map(str, _items(self.resolve(parts))))
            case {"Fn::If": [condition, then, otherwise]}:
                return self.resolve(then if self._conditions.holds(str(condition)) else otherwise)
            case {"Fn::FindInMap": [_, _, _, *_]}:
                return looked_up(self._mappings, value["Fn::FindInMap"], self.resolve)
            case dict():
                members = {key: self.resolve(item) for key, item in cast("Tree", value).items()}
                return {key: item for key, item in members.items() if item != NO_VALUE}
            case list():
                return [item for item in map(self.resolve, _items(value)) if item != NO_VALUE]
            case _:
                return value

    def _referenced(self, name: str) -> str:
        pseudo = {
            "AWS::Region": self._region,
            "AWS::AccountId": self._account,
            "AWS::Partition": "aws",
            "AWS::StackName": "local",
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name in pseudo:
            return pseudo[name]
        if name in self._parameters:
            return self._parameters[name]
        # SAM's names for what it makes of AutoPublishAlias.
        logical_id, dot, kind = name.rpartition(".")
        if dot and kind in {"Alias", "Version"}:
            return self._arn(logical_id)
        return self.function_name(name) if self._is_function(name) else name

    def _attribute(self, name: str, attribute: str) -> str:
        if attribute == "Arn" and self._is_function(name):
            return self._arn(name)
        return name

    def _substituted(self, text: str, variables: Mapping[str, str]) -> str:
        def replaced(match: re.Match[str]) -> str:
            name = match[1]
            if name in variables:
                return variables[name]
            logical_id, dot, attribute = name.partition(".")
            if dot and attribute not in {"Alias", "Version"}:
                return self._attribute(logical_id, attribute)
            return self._referenced(name)

        return _VARIABLE.sub(replaced, text).replace("${!", "${")

    def _arn(self, logical_id: str) -> str:
        name = self.function_name(logical_id)
        arn = f"arn:aws:lambda:{self._region}:{self._account}:function:{name}"
        properties = mapping(mapping(self._resources.get(logical_id)).get("Properties"))
        alias = self.resolve(
            properties.get("AutoPublishAlias") or self.globals.get("AutoPublishAlias")
        )
        return f"{arn}:{alias}" if alias and alias != NO_VALUE else arn

    def _is_function(self, logical_id: str) -> bool:
        return mapping(self._resources.get(logical_id)).get("Type") in FUNCTION_TYPES


def _template_text(file: Path) -> str:
    """Return the text of a template. Tabs between tokens, which JSON allows and YAML does not, are spaces."""
    text = file.read_text(encoding="utf-8")
    return text.replace("\t", " ") if file.suffix == ".json" else text


def read_tree(file: Path) -> Tree:
    """Read a template. Raises ``ConfigError`` if it is none."""
    try:
        tree = _read(yaml.load, file)
        is_part_of_itself = _has_itself(tree, set(), set())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the template {file} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"the template {file} is not YAML: {error}") from error
    except RecursionError as error:
        raise ConfigError(
            f"the template {file} cannot be read: its lists and mappings are nested too deeply"
        ) from error
    if is_part_of_itself:
        raise ConfigError(
            f"the template {file} cannot be read: a list or mapping has itself as a part, by an alias of YAML"
        )
    if not isinstance(tree, dict) or "Resources" not in tree:
        raise ConfigError(f"{file} is not a template of CloudFormation or SAM: it has no Resources")
    return cast("Tree", tree)


def _has_itself(value: Any, above: set[int], visited: set[int]) -> bool:
    """Tell if a list or mapping is a part of itself."""
    identity = id(value)
    if identity in above:
        return True
    if identity in visited or not isinstance(value, dict | list):
        return False
    above.add(identity)
    visited.add(identity)
    parts = _items(value) if isinstance(value, list) else mapping(value).values()
    found = any(_has_itself(part, above, visited) for part in parts)
    above.remove(identity)
    return found


def _items(value: Any) -> list[Any]:
    as_list = cast("list[Any]", value)
    return as_list if isinstance(value, list) else [value]


def mapping(value: Any) -> Tree:
    """Return a mapping, or an empty one in the place of anything else."""
    return cast("Tree", value) if isinstance(value, dict) else {}
