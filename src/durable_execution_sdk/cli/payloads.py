"""Payloads as they are given on the command line: the text itself, ``@file`` or ``-`` for stdin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from durable_execution_sdk.cli.refusal import Refusal
from durable_execution_sdk.model.json_depth import depth_fault

_SHOWN = 60


def read_text(given: str, option: str) -> str:
    """The text that an option stands for."""
    try:
        if given == "-":
            return sys.stdin.read()
        if given.startswith("@"):
            return Path(given[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise Refusal(f"{option} {given}: cannot read the file: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refusal(f"{option} {given}: the file is not UTF-8 text: {error}") from error
    return given


def read_json(given: str, option: str) -> str:
    """The JSON text that an option stands for; a refusal says where it is none."""
    text = read_text(given, option)
    try:
        parse(text)
    except json.JSONDecodeError as error:
        line = text.splitlines()[error.lineno - 1] if text.strip() else ""
        near = f", near {line[max(0, error.colno - 11) : error.colno + 10]!r}" if line else ""
        raise Refusal(
            f"{option} is not JSON: {error.msg} at line {error.lineno}, column"
            f" {error.colno}{near}. Text needs its quotes: '\"text\"'; a file needs an @: @file.json"
        ) from error
    except ValueError as error:
        raise Refusal(f"{option} is not JSON: {error}") from error
    return text


def parse(text: str) -> Any:
    """Read JSON, and nothing that only Python takes for JSON."""
    fault = depth_fault(text.encode("utf-8", "surrogatepass"))
    if fault is not None:
        raise ValueError(f"it is {fault}")
    return json.loads(text, parse_constant=_refuse_constant)


def is_json(data: bytes | None) -> bool:
    """Tell whether a payload is JSON."""
    try:
        parse((data or b"").decode())
    except ValueError:
        return False
    return True


def same_json(one: str, other: str) -> bool:
    """Whether two JSON texts say the same, however they are spaced."""
    return one == other or json.dumps(parse(one)) == json.dumps(parse(other))


def loosely(text: str | None) -> Any:
    """What a payload says: JSON if it is JSON, else the text; a custom serdes may write anything."""
    if not text:
        return None
    try:
        return parse(text)
    except ValueError:
        return text


def short(text: str) -> str:
    """A payload in a sentence."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"there is no {name} in JSON")
