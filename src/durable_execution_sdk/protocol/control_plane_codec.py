"""Codec of the control plane's JSON, in both directions. ``codec`` explains the timestamps."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from durable_execution_sdk.protocol.codec import in_seconds, milliseconds, with_timestamps
from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    HistoryPage,
    ListPage,
    PauseRequest,
    ResumeRequest,
)
from durable_execution_sdk.protocol.error_object import ErrorObject

_S = TypeVar("_S", bound=msgspec.Struct)

_encode = msgspec.json.Encoder().encode


def encode_description(description: ExecutionDescription) -> bytes:
    """Encode the response of ``GetDurableExecution``."""
    return _encode(in_seconds(description))


def decode_description(body: bytes) -> ExecutionDescription:
    """Decode the response of ``GetDurableExecution``."""
    return _from_seconds(body, ExecutionDescription)


def encode_history_page(page: HistoryPage) -> bytes:
    """Encode a page of events."""
    return _encode(in_seconds(page))


def decode_history_page(body: bytes) -> HistoryPage:
    """Decode a page of events."""
    return _from_seconds(body, HistoryPage)


def encode_list_page(page: ListPage) -> bytes:
    """Encode a page of executions."""
    return _encode(in_seconds(page))


def decode_list_page(body: bytes) -> ListPage:
    """Decode a page of executions."""
    return _from_seconds(body, ListPage)


def encode_error(error: ErrorObject | None) -> bytes:
    """Encode a body that consists of an error object."""
    return _encode(error or ErrorObject())


def decode_error(body: bytes) -> ErrorObject | None:
    """Decode a body that consists of an error object; return ``None`` for an empty body."""
    return msgspec.json.decode(body, type=ErrorObject) if body else None


def encode_pause(request: PauseRequest) -> bytes:
    """Encode the body of ``PauseDurableExecution``."""
    return _encode(request)


def decode_pause(body: bytes) -> PauseRequest:
    """Decode the body of ``PauseDurableExecution``; an empty body means defaults."""
    return msgspec.json.decode(body or b"{}", type=PauseRequest)


def encode_resume(request: ResumeRequest) -> bytes:
    """Encode the body of ``ResumeDurableExecution``."""
    return _encode(request)


def decode_resume(body: bytes) -> ResumeRequest:
    """Decode the body of ``ResumeDurableExecution``; an empty body means defaults."""
    return msgspec.json.decode(body or b"{}", type=ResumeRequest)


def encode_timestamp(name: str, milliseconds: int) -> bytes:
    """Encode a body of one timestamp (``StopTimestamp``, ``DeletionRequestTimestamp``)."""
    return _encode({name: milliseconds / 1000})


def decode_timestamp(name: str, body: bytes) -> int:
    """Decode a body of one timestamp to milliseconds."""
    seconds = msgspec.json.decode(body, type=dict[str, Any])[name]
    return milliseconds(float(seconds))


def _from_seconds(body: bytes, type_: type[_S]) -> _S:
    return msgspec.convert(with_timestamps(msgspec.json.decode(body), milliseconds), type_)
