"""Making of an exception from its record.

Nothing is imported, and no Python code of the classes runs: CPython's own ``__new__`` and ``__init__`` of
the built-in base are called, and everything else is set through descriptors in C.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from durable_execution_sdk.errors import OperationError
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.runtime.error_objects.classes import (
    RECORD_ATTRIBUTE,
    instance_of,
    kept_record,
)
from durable_execution_sdk.runtime.error_objects.inspection import (
    dict_of,
    slots_of,
    type_of,
)
from durable_execution_sdk.runtime.error_objects.instances import relate, set_member
from durable_execution_sdk.runtime.error_objects.record import KeptRecord, Record, decode_record
from durable_execution_sdk.runtime.error_objects.unpacking import Unpacker
from durable_execution_sdk.runtime.error_objects.values import restore

__all__ = ["rebuilt"]

_GROUPS = ("builtins:ExceptionGroup", "builtins:BaseExceptionGroup")

_of_error = BaseException.__dict__
_get_args: Callable[[BaseException], tuple[object, ...]] = _of_error["args"].__get__
_set_args = _of_error["args"].__set__
# Setting the cause suppresses the context, so ``__suppress_context__`` is set last.
_RELATIONS: tuple[object, ...] = tuple(
    _of_error[name] for name in ("__context__", "__cause__", "__suppress_context__")
)


def rebuilt(kind: type, error: ErrorObject, own: Mapping[str, object]) -> BaseException | None:
    """Make a ``kind`` that is also of the recorded class; return ``None`` if the error has no record.

    ``own`` are attributes of the operation's error; those of the original take precedence.
    """
    record = decode_record(error.error_data)
    if record is None:
        return None
    record.error_type = error.error_type
    if record.message is None:
        record.message = error.error_message
    try:
        original = _of_record(record, kind)
    except (TypeError, ValueError, LookupError, AttributeError):
        return None  # a damaged record
    return _complete(original, own)


def _of_record(record: Record, kind: type | None) -> BaseException:
    unpack = Unpacker(_held).unpack
    error_type = record.error_type or ""
    args = tuple(unpack(arg) for arg in record.args)
    if record.exceptions:
        args = (*args[:1], [_member(member, kind) for member in record.exceptions])
    native = None if record.native is None else [unpack(part) for part in record.native]
    error = _made(kind, record, args, native)
    for name, descriptor in slots_of(type_of(error), python_only=False):
        if name in record.members:
            set_member(descriptor, error, unpack(record.members[name]))
    restore(error, {name: unpack(value) for name, value in record.attributes.items()})
    attributes = dict_of(error)
    if record.notes:
        attributes["__notes__"] = list(record.notes)
    attributes[RECORD_ATTRIBUTE] = KeptRecord(
        error_type=error_type,
        message=record.message or "",
        repr=record.repr,
        kind=record.kind,
        omitted=record.omitted,
        kept=frozenset(record.attributes),
    )
    cause = None if record.cause is None else _of_record(record.cause, None)
    context = None if record.context is None else _of_record(record.context, None)
    if record.cause_is_context:
        context = cause
    relate(error, (context, cause, record.suppress_context))
    return error


def _member(record: Record, kind: type | None) -> BaseException:
    """Make a member of a group; within an operation's error, it is an ``OperationError`` too."""
    if kind is None:
        return _of_record(record, None)
    own: dict[str, object] = {
        "error_message": record.message,
        "error_type": record.error_type,
        "error_data": None,
        "stack_trace": [],
        "operation_id": None,
        "operation_name": None,
    }
    return _complete(_of_record(record, OperationError), own)


def _complete(error: BaseException, own: Mapping[str, object]) -> BaseException:
    """Add the attributes of an operation's error that the original does not have."""
    attributes = dict_of(error)
    record = kept_record(error)
    for name, value in own.items():
        reason = None if record is None else record.omitted.get(name)
        attributes.setdefault(name, value if reason is None else f"<not in the log: {reason}>")
    return error


def _held(data: object) -> BaseException:
    """Make an exception that is among the arguments or attributes of another one."""
    return _of_record(msgspec.convert(data, Record), None)


def _made(
    kind: type | None, record: Record, args: tuple[object, ...], native: object
) -> BaseException:
    """Make an instance of the recorded class, or of its nearest base of which one can be made."""
    classes = record.classes
    if not record.exceptions:
        classes = [class_path for class_path in classes if class_path not in _GROUPS]
    path = record.kind or "builtins:Exception"
    name = path.rpartition(":")[2].rpartition(".")[2]
    return instance_of(kind, name, path, record.classes, classes, args, native)
