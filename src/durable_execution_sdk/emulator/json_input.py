"""Validate the JSON payload of an invocation."""

from __future__ import annotations

import msgspec

from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.error_codes import INVALID_CONTENT, STATUS
from durable_execution_sdk.protocol.json_depth import depth_fault


def json_text(payload: bytes) -> str:
    """Return the text of a payload, ``{}`` if empty; raise ``ServiceError`` unless it is valid JSON."""
    fault = depth_fault(payload)
    if fault is not None:
        raise _unreadable(f"it is {fault}")
    try:
        msgspec.json.decode(payload or b"{}")
        return payload.decode() or "{}"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(str(error)) from error


def _unreadable(reason: str) -> ServiceError:
    return ServiceError(
        f"Could not parse request body into json: {reason}",
        code=INVALID_CONTENT,
        status=STATUS[INVALID_CONTENT],
    )
