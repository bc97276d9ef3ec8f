"""Validate the JSON payload of an invocation."""

from __future__ import annotations

import msgspec

from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.model.json_depth import DEEPEST, is_too_deep


def json_text(payload: bytes) -> str:
    """Return the text of a payload, ``{}`` if empty; raise ``ServiceError`` unless it is valid JSON."""
    if is_too_deep(payload):
        raise _unreadable(f"it is nested more than {DEEPEST} deep")
    try:
        msgspec.json.decode(payload or b"{}")
        return payload.decode() or "{}"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(str(error)) from error


def _unreadable(reason: str) -> ServiceError:
    return ServiceError(
        f"Could not parse request body into json: {reason}",
        code="InvalidRequestContentException",
        status=400,
    )
