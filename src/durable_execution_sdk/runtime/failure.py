"""Exceptions and error objects: one into the other, and back as faithfully as the log allows.

``ErrorData`` carries, as JSON, the classes of the exception and the state that pickling would use
(its arguments and attributes), if that state is plain JSON. Nothing is imported or called to build
an exception again: its class must be loaded already, and its ``__init__`` does not run.
"""

from __future__ import annotations

import sys
import traceback
from typing import Any, TypeVar, cast

import msgspec

from durable_execution_sdk.errors import OperationError
from durable_execution_sdk.model.failure import ErrorObject

_E = TypeVar("_E", bound=OperationError)

# All fields of an error object together must stay well below the service's limit, and a log of
# thousands of failures should stay readable.
_MESSAGE_LIMIT = 8_192
_DATA_LIMIT = 16_384
_FRAMES = 32
_FRAME_LIMIT = 512

_SDK_FOLDER = __file__.rpartition("runtime")[0]

_BUILT_CLASSES: dict[tuple[type, ...], type] = {}
_BASES_OF: dict[type, tuple[type, ...]] = {}
_OURS = frozenset(
    {"error_message", "error_type", "error_data", "stack_trace", "operation_id", "operation_name"}
)


class _State(msgspec.Struct, frozen=True):
    """What rebuilds an exception."""

    classes: list[str]
    args: list[Any] = msgspec.field(default_factory=list[Any])
    attributes: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


_STATE_MARK = '{"classes":'
_encode_state = msgspec.json.Encoder().encode


def capture(error: BaseException) -> ErrorObject:
    """What the log holds of an exception."""
    message = str(error)
    recorded_type = type(error).__name__
    if isinstance(error, OperationError):
        recorded_type = error.error_type
    return ErrorObject(
        error_type=recorded_type,
        error_message=_clipped(message, _MESSAGE_LIMIT),
        error_data=_state_of(error),
        stack_trace=_frames_of(error),
    )


def rebuild(kind: type[_E], error: ErrorObject | None, **origin: str | None) -> _E:
    """The exception that a recorded failure raises: a ``kind``, and the original class if it can be."""
    recorded = error or ErrorObject()
    built = _revived(kind, recorded.error_data) or kind.__new__(kind)
    message = recorded.error_message or ""
    if not built.args:
        built.args = (message,)
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


def _revived(kind: type[_E], data: str | None) -> _E | None:
    """An exception of the recorded classes, or nothing when one of them is not to be had."""
    if not data or not data.startswith(_STATE_MARK):
        return None
    try:
        state = msgspec.json.decode(data, type=_State)
        originals = [_loaded(path) for path in state.classes]
        cls = _combined(kind, tuple(originals))
        revived: Any = cls.__new__(cls, *state.args)
        revived.args = tuple(state.args)
        # State that lives in C (an errno, an encoding) is only set by the built-in initializer.
        built_in = next(c for c in cls.__mro__ if c.__module__ == "builtins" and c is not cls)
        built_in.__init__(revived, *state.args)  # type: ignore[misc]
        revived.__dict__.update(state.attributes)
    except Exception:  # whatever a foreign class does, its failure is reported as a plain one
        return None
    return cast("_E", revived)


def _loaded(path: str) -> type:
    module, _, qualified_name = path.partition(":")
    found: Any = sys.modules[module]
    for name in qualified_name.split("."):
        found = getattr(found, name)
    if not (isinstance(found, type) and issubclass(found, Exception)):
        raise LookupError(path)  # noqa: TRY004 - a lookup, whatever is found there
    return found


def _combined(kind: type, originals: tuple[type, ...]) -> type:
    """A class that is both, under the original's name; the same one for the same pair."""
    if any(issubclass(c, (StopIteration, StopAsyncIteration)) for c in originals):
        raise LookupError("a future cannot hold a StopIteration")
    if any(issubclass(c, kind) for c in originals):
        bases = originals
    else:
        bases = (kind, *(c for c in originals if not issubclass(kind, c)))
    if len(bases) == 1:
        return bases[0]
    known = _BUILT_CLASSES.get(bases)
    if known is None:
        last = bases[-1]
        namespace = {"__module__": last.__module__, "__qualname__": last.__qualname__}
        known = _BUILT_CLASSES[bases] = type(last.__name__, bases, namespace)
        _BASES_OF[known] = bases
    return known


def _state_of(error: BaseException) -> str | None:
    """What rebuilds an exception, unless something of it is not plain JSON."""
    data = error.error_data if isinstance(error, OperationError) else None
    classes = _BASES_OF.get(type(error)) or (type(error),)
    paths = [f"{c.__module__}:{c.__qualname__}" for c in classes]
    attributes = {k: v for k, v in vars(error).items() if k not in _OURS and k != "__notes__"}
    if data and not data.startswith(_STATE_MARK):
        attributes["error_data"] = data
    state = _State(paths, list(error.args), attributes)
    try:
        written = _encode_state(state).decode()
        faithful = msgspec.json.decode(written, type=_State) == state
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        return data
    return written if faithful and len(written) <= _DATA_LIMIT else data


def _frames_of(error: BaseException) -> list[str]:
    """The user's frames, innermost last; those of the SDK tell nobody anything."""
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if not frame.filename.startswith(_SDK_FOLDER)]
    return [_clipped(text.strip(), _FRAME_LIMIT) for text in traceback.format_list(mine[-_FRAMES:])]


def _clipped(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}... ({len(text) - limit} more characters)"
