"""Conversion of exceptions to error objects of the log, and back, as faithfully as the log allows.

``from_exception`` writes an exception into an error object, ``size_limit`` makes it small enough for the
service, ``to_exception`` makes an exception of it again. They are loaded at the first failure. No module here
has the name of a function: its first import would put the module in the place of the function.

No code of the exceptions' classes runs while they are rebuilt: objects are read through CPython's own
descriptors (``inspection``), so they can neither raise nor lie. Both the first run and each replay raise
an exception that was rebuilt from the log, so the same ``except`` clauses match.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from durable_execution_sdk.errors import OperationError
from durable_execution_sdk.first_use import on_first_use
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.serdes import on_a_fresh_stack

__all__ = ["capture", "rebuild", "shown"]

_E = TypeVar("_E", bound=OperationError)

_on_first_failure = on_first_use(
    __name__, {"captured": "from_exception", "rebuilt": "to_exception"}
)


def capture(error: BaseException) -> ErrorObject:
    """Make the error object for an exception. This never raises."""
    recorded: ErrorObject = _on_first_failure("captured")(error)
    return recorded


def rebuild(
    kind: type[_E], error: ErrorObject | None, *, foreign: bool = False, **origin: object
) -> _E:
    """Make the exception that a recorded failure raises: a ``kind`` that is also of the original class.

    With ``foreign``, the error object comes from outside of this execution: the answer to a callback, or an
    invoked function. Its data stays text, and is never read as the record of an exception. ``origin`` are
    attributes for the exception, such as the operation's id and name.
    """
    recorded = error or ErrorObject()
    message = recorded.error_message or ""
    attributes: dict[str, object] = {
        "error_message": message,
        "error_type": recorded.error_type or kind.__name__,
        "error_data": None,
        "stack_trace": recorded.stack_trace or [],
        **origin,
    }
    if recorded.error_data is not None and not foreign:
        rebuilt = _original(kind, recorded, attributes)
        if rebuilt is not None:
            return rebuilt
    built = kind.__new__(kind, message)
    attributes["error_data"] = recorded.error_data
    built.__dict__.update(attributes)
    return built


def _original(kind: type[_E], error: ErrorObject, own: dict[str, object]) -> _E | None:
    """Make the exception of a record; ``None`` if there is none, or it is damaged."""
    try:
        return _rebuilt(kind, error, own)
    except RecursionError:
        with suppress(RecursionError):
            return on_a_fresh_stack(_rebuilt, kind, error, own)
    return None


def _rebuilt(kind: type[_E], error: ErrorObject, own: dict[str, object]) -> _E | None:
    original: _E | None = _on_first_failure("rebuilt")(kind, error, own)
    return original


def shown(value: object, text: Callable[[object], str] = repr) -> str:
    """Return the ``repr`` of a value, or its ``str``; the name of its class if that raises anything."""
    try:
        return str(text(value))
    except KeyboardInterrupt:
        raise
    except BaseException:  # from a class of the user's, while its value is described
        return f"a {type(value).__name__}"
