"""Writing of an exception as an error object: its class, its state, its message and its stack trace.

Capturing never raises. A value that cannot be written is left out and named in the record. A class whose
methods misbehave can cost the record its state, but not the failure itself.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec

from durable_execution_sdk.errors import OperationError
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.runtime.error_objects.classes import (
    RECORD_ATTRIBUTE,
    classes_of,
    kept_record,
    kind_of,
)
from durable_execution_sdk.runtime.error_objects.inspection import (
    c_members_of,
    clean,
    dict_of,
    is_python_class,
    mro_of,
    name_of,
    path_of,
    text_of,
    type_of,
)
from durable_execution_sdk.runtime.error_objects.packing import Packer
from durable_execution_sdk.runtime.error_objects.pydantic_errors import native_class, native_parts
from durable_execution_sdk.runtime.error_objects.record import Record
from durable_execution_sdk.runtime.error_objects.size_limit import fitted
from durable_execution_sdk.runtime.error_objects.texts import (
    LONGEST_MESSAGE,
    error_type_of,
    is_group,
    leaves_of,
    line_of,
    members_of,
    message_of,
    told_text,
    traces_of,
)
from durable_execution_sdk.runtime.error_objects.values import UnwritableError, clipped, state_of

__all__ = ["captured"]

_DEEPEST = 5
_MOST_MEMBERS = 64
_MOST_RECORDS = 200
_LONGEST_REPR = 2_048
_LONGEST_TYPE = 256

# Attributes that an ``OperationError`` takes from its error object, and from its operation.
_OF_ERROR = frozenset({"error_message", "error_type", "error_data", "stack_trace"})
_OF_OPERATION = _OF_ERROR | {"operation_id", "operation_name"}
_NO_STATE = frozenset({"__notes__", "__orig_class__", RECORD_ATTRIBUTE})

_of_error: Any = BaseException.__dict__
_args: Callable[[BaseException], tuple[Any, ...]] = _of_error["args"].__get__
_cause: Callable[[BaseException], BaseException | None] = _of_error["__cause__"].__get__
_context: Callable[[BaseException], BaseException | None] = _of_error["__context__"].__get__
_is_suppressed: Callable[[BaseException], bool] = _of_error["__suppress_context__"].__get__
_group_message: Callable[[BaseException], str] = BaseExceptionGroup.__dict__["message"].__get__


def captured(error: BaseException) -> ErrorObject:
    """Make the error object for an exception."""
    try:
        record = _Capture().record(error, 0)
        message = record.message or ""
        text = message
        if is_group(error):
            lines = "; ".join(line_of(leaf) for leaf in leaves_of(error))
            text = clipped(f"{message}: {lines}", LONGEST_MESSAGE)
        record.message = message if text != message else None
        error_type, record.error_type = record.error_type or "", None
        return fitted(error_type, text, record, traces_of(error))
    except Exception:  # not expected; the failure must be recorded all the same
        kind = type(error)
        bare = Record(kind=path_of(kind), classes=classes_of(kind), omitted={"args": "hostile"})
        return fitted(name_of(kind), clipped(message_of(error), 512), bare, [])


class _Capture:
    """The writer of the records of one exception and of those that it holds."""

    def __init__(self) -> None:
        self._left = _MOST_RECORDS
        self._within: set[int] = set()

    def record(self, error: BaseException, depth: int) -> Record:
        """Make the record of an exception, ``depth`` exceptions away from the outermost."""
        self._left -= 1
        kind = type(error)
        record = Record(
            error_type=error_type_of(error),
            message=message_of(error),
            kind=kind_of(error),
            classes=classes_of(kind),
        )
        self._within.add(id(error))
        try:
            self._take_state(record, error, depth)
            self._take_relatives(record, error, depth)
        finally:
            self._within.discard(id(error))
        return record

    def _take_state(self, record: Record, error: BaseException, depth: int) -> None:
        def nested(value: BaseException) -> object:
            if not self._may_take(value, depth):
                raise UnwritableError(f"an exception too deep in others: {name_of(type(value))}")
            return msgspec.to_builtins(self.record(value, depth + 1))

        packer = Packer(nested)

        def packed(name: str, value: object) -> object:
            try:
                return packer.pack(value)
            except (UnwritableError, RecursionError) as why:
                record.omitted[name] = clipped(str(why), _LONGEST_TYPE)
                raise UnwritableError from None

        args = (_group_message(error),) if is_group(error) else _args(error)
        for index, arg in enumerate(args):
            try:
                record.args.append(packed(f"args[{index}]", arg))
            except UnwritableError:
                text = arg if type(arg) is str else f"<{name_of(type(arg))}, not recorded>"
                record.args.append(clipped(text, LONGEST_MESSAGE))
        for name, value in _attributes_of(error, is_held=depth > 0).items():
            try:
                record.attributes[clean(name)] = packed(clean(name), value)
            except UnwritableError:
                continue
        for name, value in _c_members_of(error, args).items():
            try:
                record.members[name] = packed(name, value)
            except UnwritableError:
                continue
        record.notes = _notes_of(error)
        record.native = _native_of(error, packer)
        record.repr = _repr_of(error, args, record)

    def _take_relatives(self, record: Record, error: BaseException, depth: int) -> None:
        cause, context = _cause(error), _context(error)
        record.suppress_context = _is_suppressed(error)
        record.cause = self._relative(record, "__cause__", cause, depth)
        if cause is not None and context is cause:
            record.cause_is_context = record.cause is not None
        elif cause is not None or not record.suppress_context:  # not what ``from None`` is to hide
            record.context = self._relative(record, "__context__", context, depth)
        if not is_group(error):
            return
        members = members_of(error)
        for member in members[:_MOST_MEMBERS]:
            if not self._may_take(member, depth):
                record.exceptions.append(self._bare(member))
            else:
                record.exceptions.append(self.record(member, depth + 1))
        if len(members) > _MOST_MEMBERS:
            record.omitted["exceptions"] = f"{len(members) - _MOST_MEMBERS:,} more"

    def _relative(
        self, record: Record, name: str, error: BaseException | None, depth: int
    ) -> Record | None:
        if error is None:
            return None
        if not self._may_take(error, depth):
            record.omitted[name] = f"too deep: {name_of(type(error))}"
            return None
        return self.record(error, depth + 1)

    def _may_take(self, error: BaseException, depth: int) -> bool:
        return depth < _DEEPEST and self._left > 0 and id(error) not in self._within

    def _bare(self, error: BaseException) -> Record:
        """Make a record of a member's class and message only."""
        return Record(
            error_type=error_type_of(error),
            message=clipped(message_of(error), _LONGEST_TYPE),
            kind=kind_of(error),
            classes=classes_of(type(error)),
            omitted={"exceptions": "too deep"} if is_group(error) else {},
        )


def _attributes_of(error: BaseException, *, is_held: bool) -> dict[str, object]:
    """Return the attributes of an exception, without those that rebuilding sets anyway."""
    excluded: frozenset[str] = frozenset()
    if OperationError in mro_of(type(error)):
        record = kept_record(error)
        excluded = _OF_ERROR if is_held else _OF_OPERATION
        excluded -= record.kept if record is not None else frozenset()
    state = {
        name: value
        for name, value in state_of(error).items()
        if name not in excluded and name not in _NO_STATE
    }
    if excluded and (error_data := dict_of(error).get("error_data")) is not None:
        state["error_data"] = error_data
    return state


def _c_members_of(error: BaseException, args: tuple[Any, ...]) -> dict[str, object]:
    """Return the members that CPython keeps in C, without those that the constructor sets from the arguments."""
    kind = type(error)
    base = next(
        (base_class for base_class in mro_of(kind) if not is_python_class(base_class)),
        BaseException,
    )
    if base in (BaseException, Exception) or is_group(error):
        return {}
    defaults: dict[str, object] = {}
    try:
        make: Any = base
        probe = make.__new__(base, *args)
        make.__init__(probe, *args)
        defaults = c_members_of(probe, kind)
    except Exception:  # arguments that are not those of the built-in class
        defaults = {}
    members = c_members_of(error, kind)
    return {name: value for name, value in members.items() if value is not defaults.get(name)}


def _notes_of(error: BaseException) -> list[str]:
    notes: Any = dict_of(error).get("__notes__")
    if type_of(notes) is not list:
        return []
    texts = [text_of(note) for note in islice(notes, _MOST_MEMBERS)]
    return [clipped(text) for text in texts if text is not None]


def _native_of(error: BaseException, packer: Packer) -> list[Any] | None:
    native = native_class(type(error))
    if native is None:
        return None
    try:
        return [packer.pack_leniently(part) for part in native_parts(native, error)]
    except Exception:  # another version of the library
        return None


def _repr_of(error: BaseException, args: tuple[object, ...], record: Record) -> str | None:
    """Return the ``repr``; ``None`` if it follows from the class and plain arguments."""
    text = told_text(lambda: repr(error), "repr")
    if not any(name.startswith("args[") for name in record.omitted) and all(
        type(arg) in (str, int, float, bool, type(None), bytes) for arg in args
    ):
        name = name_of(type(error))
        plain = told_text(lambda: f"({args[0]!r})" if len(args) == 1 else repr(args), "repr")
        if text == f"{name}{plain}":
            return None
    return clipped(text, _LONGEST_REPR)
