"""A template with the lines of its parts: SAM or CloudFormation, in YAML or JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml

from durable_execution_sdk.dev.discovery.cloudformation import (
    FUNCTION_TYPES,
    Tree,
    compose,
    mapping,
    read_tree,
)
from durable_execution_sdk.dev.discovery.template_nodes import LOOP
from durable_execution_sdk.doctor.findings import Place

SERVERLESS = "AWS::Serverless::Function"
_NESTED = {"AWS::CloudFormation::Stack": "TemplateURL", "AWS::Serverless::Application": "Location"}
_NO_VALUE = {"Ref": "AWS::NoValue"}
_COMMAND = re.compile(r"""^\s*CMD\s*\[\s*['"]([^'"]+)['"]\s*\]""", re.IGNORECASE | re.MULTILINE)


class Template:
    """A template file. Raises ``ConfigError`` if it cannot be read."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.tree = read_tree(file)
        self._root = compose(file)
        self.parameters = mapping(self.tree.get("Parameters"))
        self.globals = mapping(mapping(self.tree.get("Globals")).get("Function"))
        self.resources = {
            name: Resource(self, name, mapping(tree))
            for name, tree in mapping(self.tree.get("Resources")).items()
        }
        self.functions = {
            name: LambdaFunction(self, name, resource.tree)
            for name, resource in self.resources.items()
            if resource.type in FUNCTION_TYPES
        }

    @property
    def unread_parts(self) -> list[str]:
        """Sentences about templates within this one, and loops, that are not examined."""
        found: list[str] = []
        for name, resource in self.resources.items():
            if resource.type in _NESTED:
                inner = resource.properties.get(_NESTED[resource.type])
                which = f": examine {inner} by itself" if isinstance(inner, str) else ""
                found.append(f"{self.file}: the template of {name} is not examined{which}")
            elif name.startswith(LOOP):
                found.append(
                    f"{self.file}: the resources of {name} are not examined, as only a deployment knows its values"
                )
        return found

    def of_type(self, *types: str) -> Iterator[Resource]:
        """Yield the resources of these types."""
        return (resource for resource in self.resources.values() if resource.type in types)

    def value(self, value: Any) -> Any:
        """Return a value, or the default of the parameter that it refers to; ``None`` if that is unknown."""
        match value:
            case {"Ref": str(name)} if len(value) == 1:
                return self.default(name)
            case dict():
                return None
            case str() if "{{resolve:" in value:
                return None
            case _:
                return value

    def default(self, parameter: str) -> Any:
        """Return the default of a parameter; ``None`` if it has none, or its value is kept elsewhere under that name."""
        tree = mapping(self.parameters.get(parameter))
        is_key = str(tree.get("Type")).startswith("AWS::SSM::")
        return None if is_key else tree.get("Default")

    def values(self, value: Any) -> list[Any]:
        """Return the values that a deployment may have: those of a condition's branches, and of a table's rows."""
        match value:
            case {"Fn::If": [_, then, otherwise]}:
                return [*self.values(then), *self.values(otherwise)]
            case {"Fn::FindInMap": [str(table), row, column, *_]}:
                rows = _chosen(mapping(self.tree.get("Mappings")).get(table), self.value(row))
                return [each for every in rows for each in _chosen(every, self.value(column))]
            case _:
                known = self.value(value)
                return [] if known is None else [known]

    def has(self, *path: str | int) -> bool:
        """Tell if the template has this part, in its own text."""
        return self._find(path)[1] == len(path)

    def place(self, *path: str | int) -> Place:
        """Return the place of a part, or of the smallest part around it that the template has."""
        return Place.of(self.file, self._find(path)[0])

    def _find(self, path: tuple[str | int, ...]) -> tuple[int, int]:
        """Return the line of the deepest part on the path that exists, and its depth."""
        node, line = self._root, 1
        for depth, key in enumerate(path):
            child = _child(node, key)
            if child is None:
                return line, depth
            line, node = child
        return line, len(path)


def _chosen(table: Any, key: Any) -> list[Any]:
    """Return the part of a table with a key, or all parts if no part has it, as that of another deployment may."""
    tree = mapping(table)
    return [tree[str(key)]] if str(key) in tree else [*tree.values()]


def _child(node: yaml.Node | None, key: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return name.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    return None


class Resource:
    """A resource of a template."""

    def __init__(self, template: Template, logical_id: str, tree: Tree) -> None:
        self.template, self.logical_id, self.tree = template, logical_id, tree
        self.type = str(tree.get("Type"))
        self.properties = _present(mapping(tree.get("Properties")))
        self.metadata = mapping(tree.get("Metadata"))

    def place(self, *path: str | int) -> Place:
        """Return the place of a property."""
        return self.template.place("Resources", self.logical_id, "Properties", *path)

    @property
    def head(self) -> Place:
        """The place of the logical id."""
        return self.template.place("Resources", self.logical_id)


class LambdaFunction(Resource):
    """A function, with SAM's globals below its own properties."""

    def __init__(self, template: Template, logical_id: str, tree: Tree) -> None:
        super().__init__(template, logical_id, tree)
        self.is_serverless = self.type == SERVERLESS
        if self.is_serverless:
            own = mapping(tree.get("Properties"))
            self.properties = _present(_merged(template.globals, own))
        self.durable_config = mapping(self.properties.get("DurableConfig"))
        self.is_durable = "DurableConfig" in self.properties
        self.has_known_config = not is_intrinsic(self.properties.get("DurableConfig"))
        self.is_image = self.properties.get("PackageType") == "Image"
        # The runtime is empty if the template does not tell it.
        self.runtime = str(template.value(self.properties.get("Runtime")) or "")
        self.runtimes = [str(each) for each in template.values(self.properties.get("Runtime"))]
        self.is_python = self.runtime.startswith("python")
        is_unknown = not self.runtime and "Runtime" in self.properties
        self.may_be_python = self.is_python or is_unknown or self.is_image
        handler = template.value(self.properties.get("Handler"))
        self.handler = str((self._command() if self.is_image else handler) or "")
        self.alias = self.properties.get("AutoPublishAlias") if self.is_serverless else None

    @property
    def image_folder(self) -> Path | None:
        """The folder from which the image of a function is built, if it is here."""
        given = self.metadata.get("aws:asset:path", self.metadata.get("DockerContext"))
        return self.template.file.parent / given if isinstance(given, str) else None

    def _command(self) -> str | None:
        """Return the command of an image, which is the handler in Lambda's own images."""
        config = mapping(self.properties.get("ImageConfig"))
        given = config.get("Command")
        if "EntryPoint" in config:
            return None
        commands = [each for each in items(given) if isinstance(each, str)]
        name = self.metadata.get("aws:asset:dockerfile-path", self.metadata.get("Dockerfile"))
        if given is not None or self.image_folder is None:
            return commands[0] if len(commands) == 1 else None
        file = self.image_folder / str(name or "Dockerfile")
        try:
            found = _COMMAND.findall(file.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return None
        return str(found[-1]) if found else None

    def place(self, *path: str | int) -> Place:
        """Return the place of a property: its own, or that of the globals."""
        inherited = ("Globals", "Function", *path)
        own = ("Resources", self.logical_id, "Properties", *path)
        if self.is_serverless and not self.template.has(*own) and self.template.has(*inherited):
            return self.template.place(*inherited)
        return self.template.place(*own)

    @property
    def execution_timeout(self) -> int | None:
        """Seconds of an execution, if the template has them as a number."""
        return whole(self.template.value(self.durable_config.get("ExecutionTimeout")))

    @property
    def timeout(self) -> int | None:
        """Seconds of an invocation, if the template has them as a number."""
        return whole(self.template.value(self.properties.get("Timeout", 3)))


def _merged(below: Tree, above: Tree) -> Tree:
    """Merge as SAM does: mappings key by key at any depth, lists one after the other."""
    merged = {**below, **above}
    for name in below.keys() & above.keys():
        lower, upper = below[name], above[name]
        if isinstance(lower, dict) and isinstance(upper, dict):
            merged[name] = _merged(mapping(lower), mapping(upper))
        elif isinstance(lower, list) and isinstance(upper, list):
            merged[name] = [*items(lower), *items(upper)]
    return merged


def _present(tree: Tree) -> Tree:
    """Return a mapping without the parts, at any depth, that ``AWS::NoValue`` leaves out."""
    return {
        name: _present(mapping(value)) if isinstance(value, dict) else value
        for name, value in tree.items()
        if value != _NO_VALUE
    }


def is_intrinsic(value: Any) -> bool:
    """Tell if a value is, or has parts, that an intrinsic function gives: only a deployment knows it."""
    return any(str(key) == "Ref" or str(key).startswith("Fn::") for key in mapping(value))


def written_out(value: Any) -> Tree:
    """Return a mapping whose parts the template shows; an empty one in the place of anything else."""
    return {} if is_intrinsic(value) else mapping(value)


def may_be_absent(value: Any) -> bool:
    """Tell if a condition may leave a value out."""
    match value:
        case {"Fn::If": [_, then, otherwise]}:
            return may_be_absent(then) or may_be_absent(otherwise)
        case _:
            return bool(value == _NO_VALUE)


def whole(value: Any) -> int | None:
    """Return a number of a template, which may be written as a text; ``None`` if it is none."""
    try:
        return None if isinstance(value, bool) else int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def items(value: Any) -> list[Any]:
    """Return a list; anything else but ``None`` is a list of itself."""
    if value is None:
        return []
    as_list = cast("list[Any]", value)
    return as_list if isinstance(value, list) else [value]
