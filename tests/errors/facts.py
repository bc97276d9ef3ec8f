"""The observable facts of an exception, as plain data that two processes can compare."""

from __future__ import annotations

import sys
from typing import Any

from durable_execution_sdk import OperationError

OF_THE_OPERATION = {"operation_id", "operation_name", "attempts", "_durable_record"}


def loaded_class(path: str) -> Any:
    module, _, name = path.partition(":")
    attribute: Any = sys.modules[module]
    for part in name.split("."):
        attribute = getattr(attribute, part)
    return attribute


def facts(error: BaseException, depth: int = 3) -> dict[str, Any]:
    """Return an exception's name, texts, arguments, attributes, notes, causes and base classes."""
    found: dict[str, Any] = {
        "name": type(error).__name__,
        "module": type(error).__module__,
        "qualname": type(error).__qualname__,
        "str": str(error),
        "repr": repr(error),
        "args": [shown(arg) for arg in error.args],
        "notes": list(getattr(error, "__notes__", [])),
        "suppress": error.__suppress_context__,
        "matches": sorted(
            {
                f"{kind.__module__}.{kind.__qualname__}"
                for kind in type(error).__mro__
                if "recorded_classes__" not in vars(kind) and kind is not object
            }
        ),
        "attributes": {
            name: shown(value)
            for name, value in sorted(vars(error).items())
            if name not in OF_THE_OPERATION
        },
    }
    for name in (
        "errno",
        "strerror",
        "filename",
        "filename2",
        "encoding",
        "object",
        "start",
        "end",
    ):
        found[name] = shown(getattr(error, name, None))
    if isinstance(error, OperationError):
        found["wire"] = [error.error_type, error.error_message, error.stack_trace]
        found["is_a"] = sorted(name for name in found["matches"] if error.is_a(name))
    if depth:
        for name in ("__cause__", "__context__"):
            relative = getattr(error, name)
            found[name] = None if relative is None else facts(relative, depth - 1)
        if isinstance(error, BaseExceptionGroup):
            found["exceptions"] = [facts(each, depth - 1) for each in error.exceptions]
    return found


def shown(value: object) -> str:
    if isinstance(value, BaseException):
        return f"{type(value).__module__}.{type(value).__qualname__}: {value} {value!r}"
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__qualname__}: {sorted(map(shown, value))}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__qualname__}: {[shown(each) for each in value]}"
    if isinstance(value, dict):
        pairs = [f"{shown(key)}: {shown(each)}" for key, each in value.items()]
        return f"{type(value).__qualname__}: {pairs}"
    return f"{type(value).__module__}.{type(value).__qualname__}: {value!r}"
