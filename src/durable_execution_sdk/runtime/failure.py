"""Exceptions and error objects: one into the other, and back as faithfully as the log allows."""

from __future__ import annotations

import traceback
from typing import TypeVar

from durable_execution_sdk.errors import OperationError
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.runtime.exception_state import revived, state_of

_E = TypeVar("_E", bound=OperationError)

# All fields of an error object together must stay well below the service's limit.
_MESSAGE_LIMIT = 8_192
_FRAMES = 32
_FRAME_LIMIT = 512

_SDK_FOLDER = __file__.rpartition("runtime")[0]


def capture(error: BaseException) -> ErrorObject:
    """What the log holds of an exception."""
    recorded_type = type(error).__name__
    if isinstance(error, OperationError):
        recorded_type = error.error_type
    return ErrorObject(
        error_type=recorded_type,
        error_message=_clipped(_message_of(error), _MESSAGE_LIMIT),
        error_data=state_of(error),
        stack_trace=_frames_of(error),
    )


def rebuild(
    kind: type[_E], error: ErrorObject | None, *, foreign: bool = False, **origin: str | None
) -> _E:
    """The exception that a recorded failure raises: a ``kind``, and the original class if it can be.

    ``foreign``: somebody outside made the error object, and has no say in what is raised here.
    """
    recorded = error or ErrorObject()
    message = recorded.error_message or ""
    built = None if foreign else revived(kind, recorded.error_data)
    if built is None:
        built = kind.__new__(kind, message)
    mine = {
        "error_message": message,
        "error_type": recorded.error_type or kind.__name__,
        "error_data": recorded.error_data,
        "stack_trace": recorded.stack_trace or [],
        **origin,
    }
    for name, value in mine.items():
        built.__dict__.setdefault(name, value)
    return built


def _message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # a class of the user's
        return f"<its message cannot be told: {type(broken).__name__} in __str__>"


def _frames_of(error: BaseException) -> list[str]:
    """The user's frames, innermost last; those of the SDK tell nobody anything."""
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if not frame.filename.startswith(_SDK_FOLDER)]
    return [_clipped(text.strip(), _FRAME_LIMIT) for text in traceback.format_list(mine[-_FRAMES:])]


def _clipped(text: str, limit: int) -> str:
    """At most so much of a text, and nothing in it that UTF-8 cannot hold."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= limit:
        return text
    return f"{text[:limit]}... ({len(text) - limit} more characters)"
