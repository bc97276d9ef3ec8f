"""Exceptions and error objects: one into the other, and back as faithfully as the log allows."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import TypeVar, cast

import msgspec

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
    return ErrorObject(
        error_type=_type_of(error),
        error_message=_clipped(_whole_message_of(error), _MESSAGE_LIMIT),
        error_data=state_of(error, _held),
        stack_trace=_frames_of(error),
    )


def _held(error: Exception) -> ErrorObject:
    """An exception that a group holds; where it was raised is told with the group."""
    return msgspec.structs.replace(capture(error), stack_trace=None)


def _member(error: ErrorObject) -> Exception:
    """An exception that a group held."""
    return rebuild(OperationError, error)


def rebuild(
    kind: type[_E], error: ErrorObject | None, *, foreign: bool = False, **origin: str | None
) -> _E:
    """The exception that a recorded failure raises: a ``kind``, and the original class if it can be.

    ``foreign``: somebody outside made the error object, and has no say in what is raised here.
    """
    recorded = error or ErrorObject()
    message = recorded.error_message or ""
    built = None if foreign else revived(kind, recorded.error_data, _member)
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


def _whole_message_of(error: BaseException) -> str:
    """The message; that of a group, which only counts what it holds, with what that is."""
    message = _message_of(error)
    if _members_of(error) is None:
        return message
    return f"{message}: {'; '.join(_line_of(leaf) for leaf in _leaves_of(error))}"


def _line_of(error: BaseException) -> str:
    return f"{_type_of(error)}: {_message_of(error)}"


def _type_of(error: BaseException) -> str:
    return error.error_type if isinstance(error, OperationError) else type(error).__name__


def _members_of(error: BaseException) -> Sequence[BaseException] | None:
    """What a group holds; nothing, if it is none."""
    is_group = isinstance(error, BaseExceptionGroup)
    return cast("BaseExceptionGroup[BaseException]", error).exceptions if is_group else None


def _leaves_of(error: BaseException) -> list[BaseException]:
    """What a group holds, and what the groups in it hold."""
    members = _members_of(error)
    if members is None:
        return [error]
    return [leaf for each in members for leaf in _leaves_of(each)]


def _frames_of(error: BaseException) -> list[str]:
    """The user's frames, innermost last; those of the SDK tell nobody anything.

    Those of a group are followed by those of each exception in it, under its name.
    """
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if not frame.filename.startswith(_SDK_FOLDER)]
    texts = [text.strip() for text in traceback.format_list(mine[-_FRAMES:])]
    if _members_of(error) is not None:
        for leaf in _leaves_of(error):
            texts += [_line_of(leaf), *_frames_of(leaf)]
    return [_clipped(text, _FRAME_LIMIT) for text in texts[:_FRAMES]]


def _clipped(text: str, limit: int) -> str:
    """At most so much of a text, and nothing in it that UTF-8 cannot hold."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= limit:
        return text
    return f"{text[:limit]}... ({len(text) - limit} more characters)"
