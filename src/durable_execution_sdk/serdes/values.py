"""The default serdes: write a value as plain JSON, and read it back by type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_origin, overload
from uuid import UUID

import msgspec

from durable_execution_sdk import serdes
from durable_execution_sdk.errors import ConfigError, SerDesError
from durable_execution_sdk.serdes.foreign import (
    ENCODER,
    OUTWARD_ENCODER,
    comes_back,
    decoder_for,
    is_class,
    is_pydantic,
    name_of,
    read_foreign,
)
from durable_execution_sdk.serdes.protocol import ENVELOPE, SerDesContext, read_nested

if TYPE_CHECKING:
    from durable_execution_sdk.serdes.types.parts import Shape
    from durable_execution_sdk.serdes.types.shapes import Plan

__all__ = ["INTS", "JsonSerDes"]

T = TypeVar("T")

# A payload that begins like an envelope of AWS's SDK gets a space in front, so that it is not taken for one.
_ENVELOPE = ENVELOPE.encode()

INTS = "\t"
"""The prefix of JSON with an int where the type has ``float``; such numbers are read back as ints."""

# Classes whose instances are always read back equal: _SURE by their type, _PLAIN without one.
_SURE = frozenset((str, int, bool, float, type(None), None, bytes, UUID, timedelta, date))
_PLAIN = frozenset((str, int, bool, float, type(None)))

# Types without parts that msgspec supports.
_SIMPLE = _SURE | {datetime, time, Decimal, bytearray}


class JsonSerDes(Generic[T]):
    """Write values as plain JSON, and read them back as ``type_``.

    ``type_`` may be a dataclass, ``TypedDict``, ``NamedTuple``, ``msgspec.Struct``, attrs class,
    pydantic model, enum, ``datetime``, ``date``, ``time``, ``timedelta``, ``Decimal``, ``UUID``,
    ``bytes`` (base64), and any container, ``Optional`` or union of these; with pydantic installed,
    also any type that its ``TypeAdapter`` supports. Without ``type_``, a value is read back as plain
    data: tuples and sets as lists, objects and dates as dicts and text, the keys of a dict as text.

    Raises ``ConfigError`` when it is made for a type that cannot be read. ``serialize`` raises
    ``SerDesError`` for a value that would not be read back equal and with the same classes throughout;
    ``docs/values.md`` has the table.
    """

    __slots__ = (
        "_encode",
        "_encode_outward",
        "_fits",
        "_is_typed",
        "_names",
        "_object",
        "_shape",
        "_sure",
        "read",
        "type_",
    )

    @overload
    def __init__(
        self, type_: type[T], *, names: Mapping[str, object] | None = ..., owner: object = ...
    ) -> None: ...
    @overload
    def __init__(
        self: JsonSerDes[Any],
        type_: object = ...,
        *,
        names: Mapping[str, object] | None = ...,
        owner: object = ...,
    ) -> None: ...

    def __init__(
        self,
        type_: object = Any,
        *,
        names: Mapping[str, object] | None = None,
        owner: object = None,
    ) -> None:
        """Make a serdes for a type.

        Args:
            type_: the type; by default any JSON.
            names: the scope in which forward references in the type are resolved.
            owner: the class that ``Self`` in the type denotes.

        Raises:
            ConfigError: values of the type could not be read back.
        """
        self.type_ = type_
        self._names = (names, owner)
        self._shape: Shape | None = None
        self._is_typed = type_ is not Any and type_ is not object
        self._encode = ENCODER.encode if self._is_typed else OUTWARD_ENCODER.encode
        self._encode_outward = OUTWARD_ENCODER.encode
        self._fits: Callable[[object], bool] = self._make_check
        self._sure: object = type(None) if type_ is None else type_
        self.read: Callable[[str], Any]
        if not self._is_typed or _is_simple(type_):
            self.read = msgspec.json.Decoder(type_).decode
            if type_ is float:
                self.read = self._read_floats
            if type_ not in _SURE:
                self._sure = None
        else:
            self._sure = None
            self._analyse()
        origin: Any = get_origin(type_) or type_
        self._object: type | None = origin if _is_object(origin) else None

    def __repr__(self) -> str:
        """Write the constructor call."""
        return f"JsonSerDes({name_of(self.type_)})"

    def serialize(self, value: T, context: SerDesContext, /) -> str:
        """Write the value as JSON."""
        if context.is_outward:
            return self._write_outward(value, context)
        return self.write(value, lambda: context)

    def write(self, value: T, whose: Callable[[], SerDesContext]) -> str:
        """Write the value as JSON; ``whose`` is called only for an error, to name the operation."""
        try:
            payload = self._encode(value)
            if type(value) is self._sure:
                if b"null" in payload and value is not None:
                    serdes.paths.refuse_no_number(value, whose)
            elif not self._is_typed:
                _refuse_losses(value, payload, whose)
            elif not self._fits(value):
                return self._checked_payload(value, payload.decode(), whose)
            return f" {payload.decode()}" if payload.startswith(_ENVELOPE) else payload.decode()
        except SerDesError:
            raise
        except Exception as error:
            raise serdes.paths.unwritable(value, error, whose(), self._encode) from error

    def deserialize(self, payload: str, context: SerDesContext, /) -> T:
        """Read the value back from JSON."""
        try:
            value: T = read_nested(self.read, payload)
        except Exception as error:
            raise self.misfit(error, context, payload) from error
        return value

    def misfit(self, error: BaseException, context: SerDesContext, payload: str) -> SerDesError:
        """Build the ``SerDesError`` for an exception that ``read`` raised for the payload."""
        if isinstance(error, msgspec.DecodeError) and not isinstance(
            error, msgspec.ValidationError
        ):
            return SerDesError(
                f"{context.what}: the payload is not JSON ({error}); expected JSON for "
                f"{name_of(self.type_)}. Correct the sender{context.way_out}"
            )
        return SerDesError(
            f"{context.what}: the payload does not fit {name_of(self.type_)}: "
            f"{self._exact_error(error, payload)}. Correct the sender or the type annotation{context.way_out}"
        )

    @property
    def takes_none(self) -> bool:
        """True if ``None`` is a value of the type."""
        try:
            return self.read("null") is None
        except Exception:  # a user's validator may raise anything
            return False

    def _analyse(self) -> None:
        """Analyse the whole type; raise ``ConfigError`` if a part of it cannot be read."""
        try:
            plan = self._plan()
        except TypeError as error:
            raise ConfigError(f"JsonSerDes cannot read {name_of(self.type_)}: {error}") from error
        except (NameError, AttributeError) as error:
            raise ConfigError(
                f"JsonSerDes cannot read {name_of(self.type_)}: {error}. The annotations of its fields "
                "are needed at run time: import what they name outside of TYPE_CHECKING, and "
                "define classes at module level"
            ) from error
        self._shape = plan.shape
        if plan.has_writers:
            self._encode = self._encode_outward = plan.encode
        if plan.has_floats:
            self.read = self._read_floats
        else:
            decoder = decoder_for(self.type_) if plan.shape.is_native else None
            self.read = self._read_parts if decoder is None else decoder.decode

    def _plan(self, *, keeps_ints: bool = False) -> Plan:
        names, owner = self._names
        meanings = serdes.shapes.Names(names or {}, owner)
        return serdes.shapes.plan_of(self.type_, meanings, keeps_ints=keeps_ints)

    def _read_parts(self, payload: str) -> object:
        assert self._shape is not None
        return self._shape.read(msgspec.json.decode(payload), "$")

    def _read_floats(self, payload: str) -> object:
        """Read a type that contains ``float``, where the written value may have been an ``int``."""
        if payload.startswith(INTS):
            return self._plan(keeps_ints=True).shape.read(msgspec.json.decode(payload), "$")
        if self._shape is not None and not self._shape.is_native:
            return self._read_parts(payload)
        return msgspec.json.decode(payload, type=self.type_, dec_hook=read_foreign)

    def _make_check(self, value: object) -> bool:
        """Make the quick check on the first write, as a replay does not need it; then apply it."""
        shape = self._shape or serdes.shapes.shape_of(self.type_)
        self._fits = serdes.fitting.check_for(shape)
        return self._fits(value)

    def _exact_error(self, error: BaseException, payload: str) -> BaseException:
        """Return the same error with the exact path: msgspec leaves out the index of an item."""
        if not isinstance(error, msgspec.ValidationError):
            return error
        if self._shape is None:
            return msgspec.ValidationError(f"{error} - at `$`")
        try:
            self._read_parts(payload)
        except msgspec.ValidationError as exact:
            return exact
        except Exception:  # from a user's validator
            return error
        return error

    def _checked_payload(self, value: T, payload: str, whose: Callable[[], SerDesContext]) -> str:
        """Read the payload back and compare; return it, or raise ``SerDesError`` if the value differs."""
        if "null" in payload and value is not None:
            serdes.paths.refuse_no_number(value, whose)
        try:
            back = read_nested(self.read, payload)
        except Exception as error:
            raise SerDesError(
                f"{whose().what}: the value does not fit {name_of(self.type_)}: "
                f"{self._exact_error(error, payload)}. Return what the annotation says, or correct "
                f"the annotation{whose().way_out}"
            ) from error
        lost = serdes.fidelity.difference(value, back)
        if lost is not None and type(lost.before) is int and type(lost.after) is float:
            payload = INTS + payload
            lost = serdes.fidelity.difference(value, read_nested(self.read, payload))
        if lost is not None:
            raise SerDesError(f"{whose().what}: {lost.text(self.type_)}{whose().way_out}")
        return f" {payload}" if payload.startswith(ENVELOPE) else payload

    def _write_outward(self, value: T, context: SerDesContext) -> str:
        """Write the value for a reader outside the execution, without reading it back."""
        try:
            payload = self._encode_outward(value)
            _refuse_losses(value, payload, lambda: context)
        except SerDesError:
            raise
        except Exception as error:
            raise serdes.paths.unwritable(value, error, context, self._encode_outward) from error
        kind = self._object
        if kind is not None and type(value) is not kind and isinstance(value, kind):
            message = serdes.fidelity.subclass_message("$", type(value), kind)
            raise SerDesError(f"{context.what}: {message}{context.way_out}")
        return payload.decode()


def _refuse_losses(value: object, payload: bytes, whose: Callable[[], SerDesContext]) -> None:
    """Raise ``SerDesError`` for a number that JSON lacks, or for a lost key, unless it is plain that there is none."""
    if type(value) in _PLAIN:
        if payload != b"null" or value is None:
            return
    elif comes_back(value, payload):
        return
    serdes.paths.refuse_losses(value, payload, whose)


def _is_simple(kind: object) -> bool:
    """Tell whether this is a type without parts that msgspec supports."""
    return kind is None or (is_class(kind) and kind in _SIMPLE)


def _is_object(kind: object) -> bool:
    return is_class(kind) and (
        issubclass(kind, msgspec.Struct)
        or hasattr(kind, "__dataclass_fields__")
        or hasattr(kind, "__attrs_attrs__")
        or is_pydantic(kind)
    )
