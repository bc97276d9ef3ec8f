"""Declarations of functions: the code, the limits and the environment of each."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import msgspec

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.limits import (
    DEFAULT_RETENTION_DAYS,
    LONGEST_FUNCTION_TIMEOUT_SECONDS,
    LONGEST_INVOCATION_SECONDS,
    LONGEST_TIMER_SECONDS,
)

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Runtime(StrEnum):
    """The runtime client of a function: one of ours, or the function's own command."""

    PYTHON = "python"
    NODE = "node"
    COMMAND = "command"


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """A function to run in processes. Times are in seconds.

    Attributes:
        handler: Lambda's name of the handler, ``path/of/module.attribute``, relative to ``root``.
        root: the directory of the code, ``LAMBDA_TASK_ROOT``; modules are imported from it.
        command: the program of a function with ``Runtime.COMMAND``; it speaks the Runtime API itself.
        interpreter: the Python or Node that runs the function; the server's Python, or ``node``.
        memory_mb: the most memory that the process may use; ``None`` leaves it unlimited.
        working_directory: the directory in which the process starts; ``root`` by default.
        aliases: versions by alias.
    """

    name: str
    runtime: Runtime
    root: str
    handler: str = ""
    command: tuple[str, ...] = ()
    interpreter: str | None = None
    durable: bool = True
    timeout: float = LONGEST_INVOCATION_SECONDS
    memory_mb: int | None = None
    environment: Mapping[str, str] = _NOTHING
    working_directory: str | None = None
    execution_timeout: int = LONGEST_TIMER_SECONDS
    retention_days: int = DEFAULT_RETENTION_DAYS
    aliases: Mapping[str, str] = _NOTHING

    def __post_init__(self) -> None:
        """Raise ``ConfigError`` for a declaration that cannot run."""
        if self.runtime is Runtime.COMMAND and not self.command:
            raise ConfigError(f"the function {self.name!r} has no command that runs it")
        if self.runtime is not Runtime.COMMAND and "." not in self.handler:
            raise ConfigError(
                f"the handler of the function {self.name!r} is MODULE.ATTRIBUTE, as in app.handler, not"
                f" {self.handler!r}"
            )
        if not 0 < self.timeout <= LONGEST_FUNCTION_TIMEOUT_SECONDS:
            raise ConfigError(
                f"the timeout of the function {self.name!r} is more than 0 and at most"
                f" {LONGEST_FUNCTION_TIMEOUT_SECONDS} seconds, not {self.timeout}"
            )

    @property
    def python(self) -> str:
        """The Python that runs the function."""
        return self.interpreter or sys.executable

    @property
    def source(self) -> Path | None:
        """The file that has the handler, if it exists."""
        module = self.handler.rpartition(".")[0]
        if self.runtime is Runtime.COMMAND or not module:
            return None
        base = Path(self.root, *module.replace(".", "/").split("/"))
        candidates = [
            base.with_name(base.name + suffix) for suffix in (".py", ".mjs", ".js", ".cjs", ".ts")
        ]
        flat = Path(self.root, module + ".py")
        return next((path for path in (*candidates, flat) if path.is_file()), None)


def handler_of(file: Path, attribute: str) -> tuple[str, str]:
    """Return root and Lambda's handler name of an attribute of a file.

    A Python file in a package is imported as a module of that package, so that its relative imports
    work.
    """
    file = file.resolve()
    names, root = [file.stem], file.parent
    if file.suffix == ".py":
        while (root / "__init__.py").exists():
            names.insert(0, root.name)
            root = root.parent
    return str(root), f"{'/'.join(names)}.{attribute}"
