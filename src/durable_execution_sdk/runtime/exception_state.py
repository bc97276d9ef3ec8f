"""What an exception is made of, as plain JSON: its classes, and the state that pickling would use.

Nothing is imported or called to build one again: its classes must be loaded already, and their own
``__init__`` does not run. What is not plain data is not guessed at; then there is no state.
"""

from __future__ import annotations

import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from durable_execution_sdk.errors import CallbackExternalError, OperationError
from durable_execution_sdk.model.failure import ErrorObject

__all__ = ["OWN_ATTRIBUTES", "revived", "state_of"]

_E = TypeVar("_E", bound=OperationError)

# A log of thousands of failures should stay readable. What somebody sent with a failure is passed on.
_STATE_LIMIT = 16_384
_SENT_LIMIT = 262_144
_MESSAGE_LIMIT = 8_192

OWN_ATTRIBUTES = frozenset(
    {"error_message", "error_type", "error_data", "stack_trace", "operation_id", "operation_name"}
)

# Attributes of built-in classes that are neither arguments nor in ``__dict__``.
_MEMBERS: dict[type[Exception], tuple[str, ...]] = {
    ImportError: ("name", "path"),
    NameError: ("name",),
    AttributeError: ("name",),
}

_BUILT_CLASSES: dict[tuple[type, ...], type] = {}
_BASES_OF: dict[type, tuple[type, ...]] = {}


class _State(msgspec.Struct, frozen=True, omit_defaults=True):
    classes: list[str]
    args: list[Any] = []
    attributes: dict[str, Any] = {}
    members: dict[str, Any] = {}
    exceptions: list[ErrorObject] = []


_STATE_MARK = '{"classes":'
_encode = msgspec.json.Encoder().encode


def state_of(error: BaseException, held: Callable[[Exception], ErrorObject]) -> str | None:
    """What rebuilds an exception, unless something of it is not plain data.

    ``held`` makes error objects of the exceptions in a group.
    """
    data = error.error_data if isinstance(error, OperationError) else None
    is_state = (data or "").startswith(_STATE_MARK) and not isinstance(error, CallbackExternalError)
    sent = None if is_state else data
    attributes = {
        k: v for k, v in vars(error).items() if k not in OWN_ATTRIBUTES and k != "__notes__"
    }
    members = {
        name: value
        for kind, names in _MEMBERS.items()
        if isinstance(error, kind)
        for name in names
        if (value := getattr(error, name, None)) is not None
    }
    classes = _classes_of(error)
    exceptions: list[ErrorObject] = []
    args = _args_of(error)
    if ExceptionGroup in type(error).__mro__:
        group = cast("ExceptionGroup[Exception]", error)
        exceptions = [held(each) for each in group.exceptions]
        args = (group.message,)
    written = _written(classes, args, attributes, members, sent, exceptions)
    if written is None and isinstance(error, OperationError):
        # What we know of it ourselves is plain data.
        ours = tuple(c for c in classes if c.__module__ == OperationError.__module__)
        written = _written(ours, (error.error_message[:_MESSAGE_LIMIT],), {}, {}, sent, [])
    return written


def revived(
    kind: type[_E], data: str | None, member: Callable[[ErrorObject], Exception]
) -> _E | None:
    """A ``kind`` that is also of the recorded classes, or nothing when one is not to be had.

    ``member`` makes exceptions of what a group held.
    """
    if not data or not data.startswith(_STATE_MARK):
        return None
    try:
        state = msgspec.json.decode(data, type=_State)
        args = tuple(_unpacked(value) for value in state.args)
        cls = _combined(kind, tuple(_loaded(path) for path in state.classes))
        # A group of the user's own may have a constructor of its own.
        is_group = ExceptionGroup in cls.__mro__
        make = cast("Any", ExceptionGroup if is_group else cls)
        if is_group:
            args = (*args, [member(each) for each in state.exceptions])
        built: Any = make.__new__(cls, *args)
        built.args = args
        # State that lives in C (an errno, an encoding) is only set by the built-in initializer.
        built_in = next(c for c in cls.__mro__ if c.__module__ == "builtins" and c is not cls)
        built_in.__init__(built, *args)  # type: ignore[misc]
        for name, value in state.members.items():
            setattr(built, name, value)
        built.__dict__.update(_unpacked(state.attributes))
    except Exception:  # whatever a foreign class does, its failure is reported as a plain one
        return None
    return cast("_E", built)


def _written(
    classes: tuple[type, ...],
    args: tuple[Any, ...],
    attributes: dict[str, Any],
    members: dict[str, Any],
    sent: str | None,
    exceptions: list[ErrorObject],
) -> str | None:
    """The state as JSON, if that is all there is to it."""
    packed = {name: _packed(value) for name, value in attributes.items()}
    if sent is not None:
        packed["error_data"] = sent[:_SENT_LIMIT]
    paths = [f"{c.__module__}:{c.__qualname__}" for c in classes]
    state = _State(paths, [_packed(value) for value in args], packed, members, exceptions)
    try:
        written = _encode(state).decode()
        known = msgspec.json.decode(written, type=_State)
        same = (
            known.args == state.args
            and known.attributes == state.attributes
            and known.members == members
            and known.exceptions == exceptions
            and tuple(_unpacked(value) for value in known.args) == args
            and all(_unpacked(known.attributes)[name] == v for name, v in attributes.items())
        )
    except Exception:  # a foreign value may do anything when it is compared
        return None
    return written if same and len(written) <= _STATE_LIMIT + len(sent or "") * 2 else None


def _packed(value: Any) -> Any:
    """A value in which bytes and tuples, which JSON has not, are marked."""
    kind = value.__class__
    if kind is bytes:
        return {"$bytes": b64encode(value).decode()}
    if kind is tuple:
        return {"$tuple": [_packed(item) for item in value]}
    if kind is list:
        return [_packed(item) for item in value]
    if kind is dict:
        return {key: _packed(item) for key, item in value.items()}
    return value


def _unpacked(value: Any) -> Any:
    kind = value.__class__
    if kind is list:
        return [_unpacked(item) for item in value]
    if kind is dict:
        if value.keys() == {"$bytes"}:
            return b64decode(value["$bytes"])
        if value.keys() == {"$tuple"}:
            return tuple(_unpacked(item) for item in value["$tuple"])
        return {key: _unpacked(item) for key, item in value.items()}
    return value


def _args_of(error: BaseException) -> tuple[Any, ...]:
    """What the exception was made with; an ``OSError`` keeps its file names elsewhere."""
    if isinstance(error, OSError):
        made: Any = OSError.__reduce__(error)
        args: tuple[Any, ...] = made[1]
        return args
    return error.args


def _classes_of(error: BaseException) -> tuple[type, ...]:
    return _BASES_OF.get(type(error)) or (type(error),)


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
