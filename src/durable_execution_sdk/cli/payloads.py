"""Payloads on the command line: the text itself, ``@FILE``, or ``-`` for stdin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NoReturn

from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.protocol.json_depth import depth_fault

_LONGEST = 60


def read_text(value: str, option: str) -> str:
    """Read the text that an option's value names. Raises ``Refusal`` if a file cannot be read."""
    try:
        if value == "-":
            return sys.stdin.read()
        if value.startswith("@"):
            return Path(value[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise Refusal(f"{option} {value}: cannot read the file: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refusal(f"{option} {value}: the file is not UTF-8 text: {error}") from error
    return value


_FORMS = "Text needs its quotes: '\"text\"'; a file needs an @: @file.json"


def read_json(value: str, option: str, *, forms: str = _FORMS) -> str:
    """Read the JSON text that an option's value names.

    Raises ``Refusal`` with the place of an error, and with ``forms``, which says how to write a value.
    """
    text = read_text(value, option)
    try:
        parse(text)
    except json.JSONDecodeError as error:
        line = text.splitlines()[error.lineno - 1] if text.strip() else ""
        near = f", near {line[max(0, error.colno - 11) : error.colno + 10]!r}" if line else ""
        raise Refusal(
            f"{option} is not JSON: {error.msg} at line {error.lineno}, column"
            f" {error.colno}{near}. {forms}"
        ) from error
    except ValueError as error:
        raise Refusal(f"{option} is not JSON: {error}") from error
    return text


def parse(text: str) -> object:
    """Parse JSON strictly: NaN and Infinity, which Python's parser accepts, are refused."""
    fault = depth_fault(text.encode("utf-8", "surrogatepass"))
    if fault is not None:
        raise ValueError(f"it is {fault}")
    return json.loads(text, parse_constant=_refuse_constant)


def same_json(one: str, other: str) -> bool:
    """Tell whether two JSON texts are equal apart from white space and escapes."""
    return one == other or json.dumps(parse(one)) == json.dumps(parse(other))


def short(text: str) -> str:
    """Shorten a payload for a message."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"there is no {name} in JSON")
