"""Exceptions and error objects: one into the other, and back as faithfully as the log allows.

What does it is loaded when something fails first.
"""

from __future__ import annotations

from typing import Any, TypeVar

from durable_execution_sdk.errors import OperationError
from durable_execution_sdk.first_use import on_first_use
from durable_execution_sdk.model.failure import ErrorObject

__all__ = ["capture", "rebuild"]

_E = TypeVar("_E", bound=OperationError)

_on_first_failure = on_first_use(__name__, {"captured": "capturing", "rebuilt": "rebuilding"})


def capture(error: BaseException) -> ErrorObject:
    """The error object that the log holds of an exception; this cannot fail."""
    recorded: ErrorObject = _on_first_failure("captured")(error)
    return recorded


def rebuild(
    kind: type[_E], error: ErrorObject | None, *, foreign: bool = False, **origin: object
) -> _E:
    """The exception that a recorded failure raises: a ``kind``, and the original class too.

    ``foreign``: the error object comes from outside of this execution (the answer to a callback, an
    invoked function). Its data is handed on, and never read as the record of an exception.
    """
    recorded = error or ErrorObject()
    message = recorded.error_message or ""
    mine: dict[str, object] = {
        "error_message": message,
        "error_type": recorded.error_type or kind.__name__,
        "error_data": None,
        "stack_trace": recorded.stack_trace or [],
        **origin,
    }
    if recorded.error_data is not None and not foreign:
        rebuilt: Any = _on_first_failure("rebuilt")(kind, recorded, mine)
        if rebuilt is not None:
            made: _E = rebuilt
            return made
    built = kind.__new__(kind, message)
    mine["error_data"] = recorded.error_data
    built.__dict__.update(mine)
    return built
