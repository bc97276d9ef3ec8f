"""Reading of messages: the envelope when one is delivered, and its value when it is taken."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from durable_execution_sdk.errors import ConfigError, SerDesError
from durable_execution_sdk.protocol.error_object import READS_FROM_OUTSIDE
from durable_execution_sdk.protocol.inboxes import Envelope
from durable_execution_sdk.serdes import SerDes, SerDesContext, ValueContext, serdes_for_type
from durable_execution_sdk.serdes.foreign import name_of

__all__ = ["ENVELOPES", "MessageReader"]

_T = TypeVar("_T")


class Message(Struct, Generic[_T]):
    """The payload of a message, for the schema of what a sender may send."""

    id: str
    value: _T


class EnvelopeSerDes:
    """Reads the envelope of a message, and leaves its value as it is."""

    def serialize(self, value: Envelope, _context: SerDesContext, /) -> str:
        """Write an envelope."""
        return msgspec.json.encode(value).decode()

    def deserialize(self, payload: str, context: SerDesContext, /) -> Envelope:
        """Read an envelope."""
        try:
            return msgspec.json.decode(payload, type=Envelope)
        except msgspec.MsgspecError as error:
            raise SerDesError(
                f'{context.what}: expected a message, {{"id": ..., "value": ...}} as client.send writes it, and found'
                f" something else ({error}). Send messages with client.send or `durable send`, and do not answer the"
                " callbacks of an inbox"
            ) from error


ENVELOPES: SerDes[Any] = EnvelopeSerDes()


class MessageReader(Generic[_T]):
    """The name of an inbox, and the type of its messages."""

    def __init__(self, inbox: str, type_: Any) -> None:
        self.inbox = inbox
        self.type_ = type_
        try:
            self._serdes = serdes_for_type(type_)
        except ConfigError as error:
            raise ConfigError(f"ctx.inbox({inbox!r}, ...): {error}") from error

    @property
    def type_name(self) -> str:
        """The name of the type, in messages."""
        return name_of(self.type_)

    @property
    def awaited_type(self) -> str | None:
        """The name of the type of a payload; ``None`` if the inbox takes any JSON."""
        return None if self.type_ in (Any, object) else f"message of {self.type_name}"

    @property
    def awaited_kind(self) -> object:
        """The type of a payload; ``None`` if the inbox takes any JSON."""
        return None if self.awaited_type is None else Message[self.type_]  # type: ignore[name-defined]

    def read(self, number: int, content: Envelope) -> _T:
        """Return the value of a message. Raises ``SerDesError``, which names the inbox and the number."""
        subject = f"message {number} of the inbox {self.inbox!r}"
        context = ValueContext(operation_id=self.inbox, subject=subject)
        token = READS_FROM_OUTSIDE.set(True)
        try:
            value: _T = self._serdes.deserialize(bytes(content.value).decode(), context)
        finally:
            READS_FROM_OUTSIDE.reset(token)
        return value

    def check(self, number: int, payload: bytes | None) -> None:
        """Raise ``SerDesError`` for a payload that ``get`` could not read."""
        subject = f"message {number} of the inbox {self.inbox!r}"
        context = ValueContext(operation_id=self.inbox, subject=subject)
        text = "" if payload is None else payload.decode(errors="replace")
        self.read(number, ENVELOPES.deserialize(text, context))
