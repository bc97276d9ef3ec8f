"""Find the functions of a SAM or CloudFormation template."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from durable_execution_sdk.dev.discovery.cloudformation import (
    ALIAS_TYPE,
    FUNCTION_TYPES,
    Template,
    Tree,
    mapping,
    read_tree,
)
from durable_execution_sdk.dev.discovery.found import Found
from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime
from durable_execution_sdk.emulator.functions.registry import LATEST
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.limits import DEFAULT_RETENTION_DAYS, LONGEST_TIMER_SECONDS

_DEFAULT_TIMEOUT = 3
"""Seconds of a function whose template has no Timeout, as in Lambda."""

_MERGED = ("Environment", "DurableConfig", "Tags")


def template_functions(
    file: Path, *, region: str = "us-east-1", account: str = "123456789012"
) -> Found:
    """Return the functions of a template; those that cannot run here are in the notices.

    Raises ``ConfigError`` if the file is no template.
    """
    template = Template(read_tree(file), region=region, account=account)
    folder = file.resolve().parent
    declarations: list[Declaration] = []
    notices: list[str] = []
    aliases = _aliases(template)
    for logical_id, resource in template.resources(FUNCTION_TYPES).items():
        name = template.function_name(logical_id)
        properties = _properties(template, resource)
        try:
            declarations.append(
                _declaration(name, properties, resource, folder, aliases.get(name, {}))
            )
        except ConfigError as error:
            notices.append(f"the function {logical_id} of {file} cannot run here: {error}")
    return Found(declarations=declarations, notices=notices)


def _properties(template: Template, resource: Tree) -> Tree:
    """Return the properties of a function, with SAM's globals below them."""
    own = mapping(resource.get("Properties"))
    shared = template.globals if resource.get("Type") == "AWS::Serverless::Function" else {}
    properties = {**shared, **own}
    for name in _MERGED:
        if name in shared and name in own:
            properties[name] = _merged(mapping(shared[name]), mapping(own[name]))
    return mapping(template.resolve(properties))


def _merged(below: Tree, above: Tree) -> Tree:
    merged = {**below, **above}
    for name in below.keys() & above.keys():
        if isinstance(below[name], dict) and isinstance(above[name], dict):
            merged[name] = {**below[name], **above[name]}
    return merged


def _aliases(template: Template) -> dict[str, dict[str, str]]:
    """Return the aliases by function. A template's versions are all the code as it is now."""
    aliases: dict[str, dict[str, str]] = {}
    for logical_id, resource in template.resources(FUNCTION_TYPES).items():
        alias = _properties(template, resource).get("AutoPublishAlias")
        if alias:
            aliases.setdefault(template.function_name(logical_id), {})[str(alias)] = LATEST
    for resource in template.resources(frozenset({ALIAS_TYPE})).values():
        properties = mapping(template.resolve(resource.get("Properties")))
        function = str(properties.get("FunctionName", "")).rpartition(":")[2]
        aliases.setdefault(function, {})[str(properties.get("Name"))] = LATEST
    return aliases


def _declaration(
    name: str, properties: Tree, resource: Tree, folder: Path, aliases: Mapping[str, str]
) -> Declaration:
    durable = properties.get("DurableConfig")
    config = mapping(durable)
    variables = mapping(mapping(properties.get("Environment")).get("Variables"))
    code = _image(properties, resource, folder) or _zip(properties, folder)
    return Declaration(
        name=name,
        durable=durable is not None,
        timeout=_number(properties, "Timeout") or _DEFAULT_TIMEOUT,
        memory_mb=_number(properties, "MemorySize"),
        environment={key: _text(value) for key, value in variables.items()},
        execution_timeout=_number(config, "ExecutionTimeout") or LONGEST_TIMER_SECONDS,
        retention_days=_number(config, "RetentionPeriodInDays") or DEFAULT_RETENTION_DAYS,
        aliases=dict(aliases),
        **code,
    )


def _number(properties: Tree, name: str) -> int | None:
    value = properties.get(name)
    if value is None or value == "":
        return None
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"its {name} is a whole number, not {value!r}") from error


def _zip(properties: Tree, folder: Path) -> dict[str, Any]:
    uri = properties.get("CodeUri", properties.get("Code", "."))
    if not isinstance(uri, str):
        raise ConfigError("its code is not in a local folder")
    root = str((folder / uri).resolve())
    handler, runtime = str(properties.get("Handler", "")), str(properties.get("Runtime", ""))
    if runtime.startswith("python"):
        return {"runtime": Runtime.PYTHON, "root": root, "handler": handler}
    if runtime.startswith("nodejs"):
        return {"runtime": Runtime.NODE, "root": root, "handler": handler}
    if runtime.startswith("provided"):
        command = (str(Path(root, "bootstrap")),)
        return {"runtime": Runtime.COMMAND, "root": root, "handler": handler, "command": command}
    raise ConfigError(
        f"there is no client for the runtime {runtime!r} here; give its command in [tool.durable] of"
        " pyproject.toml"
    )


def _image(properties: Tree, resource: Tree, folder: Path) -> dict[str, Any] | None:
    """Return the code of a function in an image: its commands run on this computer, without the image."""
    if properties.get("PackageType") != "Image":
        return None
    config = mapping(properties.get("ImageConfig"))
    context = mapping(resource.get("Metadata")).get("DockerContext", ".")
    root = str((folder / str(context)).resolve())
    entry = tuple(map(str, config.get("EntryPoint") or ()))
    arguments = tuple(map(str, config.get("Command") or ()))
    if entry:
        command = (*entry, *arguments)
        return {"runtime": Runtime.COMMAND, "root": root, "command": command}
    if len(arguments) != 1:
        raise ConfigError("its image has neither an EntryPoint nor a handler as its Command")
    # The command of one of Lambda's own images is the handler.
    module = Path(root, *arguments[0].rpartition(".")[0].split("/"))
    is_python = module.with_name(f"{module.name}.py").is_file()
    runtime = Runtime.PYTHON if is_python else Runtime.NODE
    return {"runtime": runtime, "root": root, "handler": arguments[0]}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
