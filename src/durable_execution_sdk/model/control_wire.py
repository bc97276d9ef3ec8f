"""The codec of the control plane, in both directions; see ``wire`` for what timestamps are."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from durable_execution_sdk.model.control import (
    ExecutionDescription,
    HistoryPage,
    ListPage,
    PauseRequest,
    ResumeRequest,
)
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.wire import in_seconds, milliseconds, with_timestamps

_S = TypeVar("_S", bound=msgspec.Struct)

_encode = msgspec.json.Encoder().encode


def encode_description(description: ExecutionDescription) -> bytes:
    """Write the answer to ``GetDurableExecution``."""
    return _encode(in_seconds(description))


def decode_description(body: bytes) -> ExecutionDescription:
    """Read the answer to ``GetDurableExecution``."""
    return _from_seconds(body, ExecutionDescription)


def encode_history_page(page: HistoryPage) -> bytes:
    """Write a page of events."""
    return _encode(in_seconds(page))


def decode_history_page(body: bytes) -> HistoryPage:
    """Read a page of events."""
    return _from_seconds(body, HistoryPage)


def encode_list_page(page: ListPage) -> bytes:
    """Write a page of executions."""
    return _encode(in_seconds(page))


def decode_list_page(body: bytes) -> ListPage:
    """Read a page of executions."""
    return _from_seconds(body, ListPage)


def encode_error(error: ErrorObject | None) -> bytes:
    """Write a body that is an error object and nothing around it."""
    return _encode(error or ErrorObject())


def decode_error(body: bytes) -> ErrorObject | None:
    """Read a body that is an error object and nothing around it; an empty body is none."""
    return msgspec.json.decode(body, type=ErrorObject) if body else None


def encode_pause(request: PauseRequest) -> bytes:
    """Write the body of a pause."""
    return _encode(request)


def decode_pause(body: bytes) -> PauseRequest:
    """Read the body of a pause."""
    return msgspec.json.decode(body or b"{}", type=PauseRequest)


def encode_resume(request: ResumeRequest) -> bytes:
    """Write the body of a resume."""
    return _encode(request)


def decode_resume(body: bytes) -> ResumeRequest:
    """Read the body of a resume."""
    return msgspec.json.decode(body or b"{}", type=ResumeRequest)


def encode_timestamp(name: str, milliseconds: int) -> bytes:
    """Write a body of one timestamp (``StopTimestamp``, ``DeletionRequestTimestamp``)."""
    return _encode({name: milliseconds / 1000})


def decode_timestamp(name: str, body: bytes) -> int:
    """Read a body of one timestamp."""
    seconds = msgspec.json.decode(body, type=dict[str, Any])[name]
    return milliseconds(float(seconds))


def _from_seconds(body: bytes, type_: type[_S]) -> _S:
    return msgspec.convert(with_timestamps(msgspec.json.decode(body), milliseconds), type_)
