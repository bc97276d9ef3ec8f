"""The default serdes: a value as plain JSON, and back by its type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, get_origin, overload

import msgspec

from durable_execution_sdk import serdes
from durable_execution_sdk.errors import ConfigError, SerDesError
from durable_execution_sdk.serdes.decoding import AmbiguousError, decoder_for
from durable_execution_sdk.serdes.envelopes import ENVELOPE
from durable_execution_sdk.serdes.foreign import ENCODER, is_class, is_pydantic, name_of
from durable_execution_sdk.serdes.paths import find_no_number, find_unwritable, holds_no_number
from durable_execution_sdk.serdes.protocol import SerDesContext

if TYPE_CHECKING:
    from durable_execution_sdk.serdes.unions import Shape

__all__ = ["JsonSerDes"]

T = TypeVar("T")

# JSON of ours that begins like an envelope of AWS's SDK is told from one by a space in front.
_ENVELOPE = ENVELOPE.encode()

_WAY_OUT = "or give the operation a serdes of its own"


class JsonSerDes(Generic[T]):
    """Writes plain JSON, and reads it back as ``type_``.

    ``type_`` may be a dataclass, ``TypedDict``, ``NamedTuple``, ``msgspec.Struct``, attrs class,
    pydantic model, enum, ``datetime``, ``date``, ``time``, ``timedelta``, ``Decimal``, ``UUID``,
    ``bytes`` (base64), and any container, ``Optional`` or union of these. Without one, a value
    comes back as what JSON makes of it: tuples and sets as lists, objects and dates as dicts and
    text, the keys of a dict as text.

    What would change silently is refused with ``SerDesError``: nan and infinity, an instance of a
    subclass where ``type_`` would make it one of the base class, a member of a union whose JSON
    reads as another member. ``ConfigError`` is raised at once for a type that cannot be read.
    """

    __slots__ = ("_object", "_shape", "read", "type_")

    @overload
    def __init__(self, type_: type[T]) -> None: ...
    @overload
    def __init__(self: JsonSerDes[Any], type_: Any = ...) -> None: ...

    def __init__(self, type_: Any = Any) -> None:
        self.type_ = type_
        self._shape: Shape | None = None
        try:
            decoder = decoder_for(type_)
            if decoder is None:
                self._shape = serdes.shapes.shape_of(type_)
        except TypeError as error:
            raise ConfigError(f"JsonSerDes cannot read {name_of(type_)}: {error}") from error
        except (NameError, AttributeError) as error:
            raise ConfigError(
                f"JsonSerDes cannot read {name_of(type_)}: {error}. The annotations of its fields "
                "are needed at run time: import what they name outside of TYPE_CHECKING, and "
                "define classes at module level"
            ) from error
        self.read: Callable[[str], Any] = decoder.decode if decoder else self._read_shape
        origin = get_origin(type_) or type_
        self._object: type | None = origin if _is_object(origin) else None

    def __repr__(self) -> str:
        """The call that makes this."""
        return f"JsonSerDes({name_of(self.type_)})"

    def serialize(self, value: T, context: SerDesContext, /) -> str:
        """Write the value as JSON."""
        return self.write(value, lambda: context)

    def write(self, value: T, whose: Callable[[], SerDesContext]) -> str:
        """As ``serialize``; whose value it is is only asked to say what is wrong with it."""
        try:
            payload = ENCODER.encode(value)
            if b"null" in payload:
                _refuse_no_number(value, whose)
            if self._object is not None and type(value) is not self._object:
                self._refuse_subclass(value, whose)
            if self._shape is not None:
                self._shape.check(value, "$")
            return f" {payload.decode()}" if payload.startswith(_ENVELOPE) else payload.decode()
        except SerDesError:
            raise
        except AmbiguousError as error:
            raise SerDesError(f"{whose().what}: {error}, {_WAY_OUT}") from error
        except Exception as error:
            raise _unwritable(value, error, whose()) from error

    def deserialize(self, payload: str, context: SerDesContext, /) -> T:
        """Read the value back from JSON."""
        try:
            value: T = self.read(payload)
        except Exception as error:
            raise self.misfit(error, context) from error
        return value

    def _read_shape(self, payload: str) -> Any:
        return cast("Shape", self._shape).read(msgspec.json.decode(payload), "$")

    def misfit(self, error: Exception, context: SerDesContext) -> SerDesError:
        """What to raise when ``read`` raised this."""
        if isinstance(error, msgspec.DecodeError) and not isinstance(
            error, msgspec.ValidationError
        ):
            return SerDesError(
                f"{context.what}: the payload is not JSON ({error}); expected JSON for "
                f"{name_of(self.type_)}. Correct the sender, {_WAY_OUT}"
            )
        return SerDesError(
            f"{context.what}: the payload does not fit {name_of(self.type_)}: {error}. "
            f"Correct the sender or the type annotation, {_WAY_OUT}"
        )

    def _refuse_subclass(self, value: T, whose: Callable[[], SerDesContext]) -> None:
        if self._object is not None and isinstance(value, self._object):
            raise SerDesError(
                f"{whose().what}: expected exactly {name_of(self._object)}, found its subclass "
                f"{name_of(type(value))}, which would come back as {name_of(self._object)}. "
                f"Annotate the class that is returned, or a union, {_WAY_OUT}"
            )


def _is_object(kind: Any) -> bool:
    return is_class(kind) and (
        issubclass(kind, msgspec.Struct)
        or hasattr(kind, "__dataclass_fields__")
        or hasattr(kind, "__attrs_attrs__")
        or is_pydantic(kind)
    )


def _refuse_no_number(value: object, whose: Callable[[], SerDesContext]) -> None:
    if holds_no_number(value):
        path, found = find_no_number(value)
        raise SerDesError(
            f"{whose().what}: {path} is {found!r}, and JSON has no such number. "
            f"Use None or text for it, {_WAY_OUT}"
        )


def _unwritable(value: object, error: Exception, context: SerDesContext) -> SerDesError:
    if isinstance(error, RecursionError):
        return SerDesError(
            f"{context.what}: the value contains itself, or is nested too deeply for JSON. "
            f"Return plain data, {_WAY_OUT}"
        )
    path, found = find_unwritable(value)
    return SerDesError(
        f"{context.what}: {path} is of type {name_of(type(found))} and cannot be written as JSON "
        f"({error}). Return plain data (dicts, lists, dataclasses, models ...), {_WAY_OUT}"
    )
