"""References to inboxes, with the type of their messages."""

from __future__ import annotations

import uuid
from typing import Any, Generic, TypeVar, overload

from durable_execution_sdk.errors import ConfigError, PayloadSizeError
from durable_execution_sdk.protocol.inboxes import message_payload
from durable_execution_sdk.protocol.limits import MAX_PAYLOAD_BYTES
from durable_execution_sdk.protocol.updates import text_bytes
from durable_execution_sdk.serdes import SerDes, ValueContext, checked_text, serdes_for_type

__all__ = ["InboxRef", "message_for", "written"]

_T = TypeVar("_T")

_MAX_ID_CHARACTERS = 256


class InboxRef(Generic[_T]):
    """An inbox, and the type of its messages: ``ORDERS = InboxRef("orders", Order)``.

    With a type, a message that does not fit is refused where it is sent. It is the type that the workflow gives to
    ``ctx.inbox``.

    Raises:
        ConfigError: the name is no text, or the type cannot be read.
    """

    @overload
    def __init__(self, name: str, type_: type[_T], /) -> None: ...

    @overload
    def __init__(self: InboxRef[Any], name: str, type_: object = ..., /) -> None: ...

    def __init__(self, name: str, type_: Any = Any, /) -> None:
        if not isinstance(name, str) or not name:
            raise ConfigError(
                f'an inbox is named by a text, as in InboxRef("orders", Order), not {name!r}'
            )
        self.name = name
        try:
            self.serdes: SerDes[Any] = serdes_for_type(type_)
        except ConfigError as error:
            raise ConfigError(f"InboxRef({name!r}, ...): {error}") from error

    def __repr__(self) -> str:
        """Show the name."""
        return f"<InboxRef {self.name}>"


def message_for(
    inbox: str | InboxRef[_T], value: object, message_id: str | None
) -> tuple[InboxRef[Any], str, bytes]:
    """Return the inbox, the id and the payload of a message; an id that is not given is a new UUID."""
    ref = inbox if isinstance(inbox, InboxRef) else InboxRef(inbox)
    chosen = str(uuid.uuid4()) if message_id is None else message_id
    return ref, chosen, _envelope(ref, value, chosen)


def _envelope(inbox: InboxRef[Any], value: object, message_id: str) -> bytes:
    """Write a message. Raises ``SerDesError`` for a value that does not fit, ``PayloadSizeError`` above 1 MiB."""
    context = ValueContext(
        operation_id=inbox.name,
        subject=f"the message for the inbox {inbox.name!r}",
        is_outward=True,
    )
    text = inbox.serdes.serialize(value, context)
    inbox.serdes.deserialize(text, context)
    return written(inbox.name, text, message_id)


def written(inbox: str, text: str, message_id: str) -> bytes:
    """Write the payload of a message whose value is this JSON."""
    if not isinstance(message_id, str) or not 0 < len(message_id) <= _MAX_ID_CHARACTERS:
        raise ConfigError(
            f"the id of a message is a text of 1 to {_MAX_ID_CHARACTERS} characters, not {message_id!r}"
        )
    payload = message_payload(checked_text(message_id, "the id of a message"), text)
    size = text_bytes(payload)
    if size > MAX_PAYLOAD_BYTES:
        raise PayloadSizeError(
            f"the message for the inbox {inbox!r} has {size:,} bytes; the service takes at most"
            f" {MAX_PAYLOAD_BYTES:,}: keep the data elsewhere (S3, a database) and send its key"
        )
    return payload.encode()
