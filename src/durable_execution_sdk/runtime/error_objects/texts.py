"""The texts of an exception: its message, the name of its class, and its stack trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durable_execution_sdk.errors import OperationError
from durable_execution_sdk.runtime.error_objects.classes import kept_record
from durable_execution_sdk.runtime.error_objects.inspection import dict_of, mro_of, name_of, text_of
from durable_execution_sdk.runtime.error_objects.stack_traces import MOST_FRAMES, frames_of
from durable_execution_sdk.runtime.error_objects.values import clipped

__all__ = [
    "LONGEST_MESSAGE",
    "error_type_of",
    "is_group",
    "leaves_of",
    "line_of",
    "members_of",
    "message_of",
    "told_text",
    "traces_of",
]

LONGEST_MESSAGE = 8_192
_LONGEST_TYPE = 256
_LONGEST_LINE = 512
_MOST_LEAVES = 100

_of_group: Any = BaseExceptionGroup.__dict__
members_of: Callable[[BaseException], tuple[BaseException, ...]] = _of_group["exceptions"].__get__


def message_of(error: BaseException) -> str:
    """Return the message; for a rebuilt exception, the recorded one."""
    record = kept_record(error)
    text = record.message if record is not None else told_text(lambda: str(error), "str")
    return clipped(text, LONGEST_MESSAGE)


def told_text(tell: Callable[[], object], how: str) -> str:
    """Return a text that a class of the user's makes, or a placeholder if its method raises."""
    try:
        text = text_of(tell())
    except KeyboardInterrupt:
        raise
    except BaseException as broken:
        return f"<its message cannot be told: {name_of(type(broken))} in __{how}__>"
    return "" if text is None else text


def error_type_of(error: BaseException) -> str:
    """Return the name of an exception's class; for an operation's error, that of the recorded failure."""
    record = kept_record(error)
    if record is not None:
        return record.error_type
    recorded = None
    if OperationError in mro_of(type(error)):
        recorded = text_of(dict_of(error).get("error_type"))
    return clipped(recorded or name_of(type(error)), _LONGEST_TYPE)


def line_of(error: BaseException) -> str:
    """Return the type and the message as one line."""
    return f"{error_type_of(error)}: {message_of(error)}"


def is_group(error: BaseException) -> bool:
    """Return ``True`` for an exception group."""
    return BaseExceptionGroup in mro_of(type(error))


def leaves_of(error: BaseException) -> list[BaseException]:
    """Return the first exceptions that a group holds, in itself or in nested groups."""
    leaves: list[BaseException] = []
    left = [error]
    while left and len(leaves) < _MOST_LEAVES:
        member = left.pop()
        if is_group(member):
            left += reversed(members_of(member)[:_MOST_LEAVES])
        else:
            leaves.append(member)
    return leaves


def traces_of(error: BaseException) -> list[str]:
    """Return the frames of an exception; for a group, followed by those of each member after its name."""
    texts = frames_of(error)
    if is_group(error):
        for leaf in leaves_of(error):
            texts += [clipped(line_of(leaf), 512), *frames_of(leaf)]
            if len(texts) >= MOST_FRAMES:
                break
    return texts[:MOST_FRAMES]
