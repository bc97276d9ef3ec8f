"""The table ``[tool.durable]`` of ``pyproject.toml``: paths, a template, and functions."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime, handler_of
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.limits import (
    DEFAULT_RETENTION_DAYS,
    LONGEST_INVOCATION_SECONDS,
    LONGEST_TIMER_SECONDS,
)


class FunctionTable(msgspec.Struct, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A function of the table: ``handler = "FILE:ATTRIBUTE"``, or ``command`` with its arguments."""

    handler: str | None = None
    command: list[str] | None = None
    durable: bool = True
    timeout: float = LONGEST_INVOCATION_SECONDS
    memory: int | None = None
    environment: dict[str, str] = {}
    working_directory: str | None = None
    execution_timeout: int = LONGEST_TIMER_SECONDS
    retention_days: int = DEFAULT_RETENTION_DAYS
    aliases: dict[str, str] = {}


class ProjectTable(msgspec.Struct, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """``[tool.durable]``: files and folders to search, a template, the Python, and functions by name."""

    paths: list[str] = []
    template: str | None = None
    python: str | None = None
    environment: dict[str, str] = {}
    functions: dict[str, FunctionTable] = {}


def read_project_table(file: Path) -> ProjectTable | None:
    """Return the table of a project; ``None`` if it has none.

    Raises ``ConfigError`` if the file cannot be read, or a member of the table is unknown or wrong.
    """
    try:
        document = tomllib.loads(file.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    table = document.get("tool", {}).get("durable")
    if table is None:
        return None
    try:
        return msgspec.convert(table, ProjectTable)
    except msgspec.ValidationError as error:
        raise ConfigError(f"[tool.durable] in {file}: {error}") from error


def declared_functions(table: ProjectTable, folder: Path) -> list[Declaration]:
    """Return the functions that a table declares; its paths are relative to the folder.

    Raises ``ConfigError`` for one with neither a handler nor a command, or with both.
    """
    return [
        _declaration(name, function, table, folder.resolve())
        for name, function in table.functions.items()
    ]


def _declaration(
    name: str, function: FunctionTable, table: ProjectTable, folder: Path
) -> Declaration:
    if (function.handler is None) == (function.command is None):
        raise ConfigError(
            f"[tool.durable.functions.{name}] has a handler, as in app.py:handler, or a command, and not"
            " both"
        )
    runtime, root, handler = Runtime.COMMAND, str(folder), ""
    if function.handler is not None:
        file, colon, attribute = function.handler.rpartition(":")
        if not colon:
            raise ConfigError(
                f"[tool.durable.functions.{name}]: the handler is FILE:ATTRIBUTE, not"
                f" {function.handler!r}"
            )
        runtime = Runtime.PYTHON if file.endswith(".py") else Runtime.NODE
        root, handler = handler_of(folder / file, attribute)
    directory = function.working_directory
    return Declaration(
        name=name,
        runtime=runtime,
        root=root,
        handler=handler,
        command=tuple(function.command or ()),
        interpreter=project_python(table, folder) if runtime is Runtime.PYTHON else None,
        durable=function.durable,
        timeout=function.timeout,
        memory_mb=function.memory,
        environment={**table.environment, **function.environment},
        working_directory=str(folder if directory is None else folder / directory),
        execution_timeout=function.execution_timeout,
        retention_days=function.retention_days,
        aliases=function.aliases,
    )


def project_python(table: ProjectTable, folder: Path) -> str | None:
    """Return the path of the project's Python; a name without a slash is looked for on the path."""
    python = table.python
    return python if python is None or "/" not in python else str(folder / python)
