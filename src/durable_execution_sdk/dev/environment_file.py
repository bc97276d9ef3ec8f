"""Read a file of environment variables: lines of ``NAME=VALUE``."""

from __future__ import annotations

import re
from pathlib import Path

from durable_execution_sdk.errors import ConfigError

__all__ = ["read_environment_file"]

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


def read_environment_file(path: Path) -> dict[str, str]:
    """Return the variables of a file; empty lines and those that begin with ``#`` are skipped.

    A value in quotes is taken as it is, without the quotes; nothing is expanded. Raises ``ConfigError`` if
    the file cannot be read, or a line is no variable.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the file of variables {path} cannot be read: {error}") from error
    variables: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ConfigError(f"{path}, line {number}: a variable is NAME=VALUE, not {line!r}")
        variables[match[1]] = _unquoted(match[2])
    return variables


def _unquoted(value: str) -> str:
    is_quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if is_quoted else value
