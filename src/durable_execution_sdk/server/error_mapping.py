"""Map exceptions to HTTP error responses, as the service's model spells them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from starlette.responses import Response

from durable_execution_sdk.errors import ServiceError, StoreError
from durable_execution_sdk.protocol.error_codes import (
    CONFLICT,
    INVALID_CONTENT,
    INVALID_PARAMETER,
    SERVICE_FAILED,
    STATUS,
    TOO_LARGE,
    TOO_MANY_REQUESTS,
)

_logger = logging.getLogger(__name__)

# The service's model spells the member `message` for these errors and `Message` for the others, and
# generated clients read only the spelling of the model.
_MESSAGE_IN_LOWER_CASE = frozenset(
    {
        INVALID_PARAMETER,
        INVALID_CONTENT,
        TOO_LARGE,
        CONFLICT,
        TOO_MANY_REQUESTS,
        "UnknownOperationException",
    }
)


def refusal(error: Exception, **more: object) -> Response:
    """Build the error response for an exception; log those that are not the caller's fault.

    ``more`` are further members of the body; those that are empty are left out.
    """
    match error:
        case ServiceError():
            return _answer(
                error.status or STATUS[SERVICE_FAILED],
                error.code or SERVICE_FAILED,
                error.message,
                more,
                retry_after=error.retry_after,
            )
        case StoreError():
            _logger.error("%s", error)
            return _answer(STATUS[SERVICE_FAILED], SERVICE_FAILED, str(error))
        case _:
            _logger.error("a call of the durable API failed", exc_info=error)
            return _answer(
                STATUS[SERVICE_FAILED],
                SERVICE_FAILED,
                f"The emulator has a defect, please report it: {type(error).__name__}: {error}",
            )


def unknown_operation(method: str, path: str) -> ServiceError:
    """Build the error for a call that is not of the durable API."""
    return ServiceError(
        f"{method} {path} is no operation of Lambda's durable API, which is all that is served here.",
        code="UnknownOperationException",
        status=404,
    )


def closing() -> ServiceError:
    """Build the error for a call that arrives, or waits, while the server shuts down."""
    return ServiceError("The server is shutting down.", code=SERVICE_FAILED, status=503)


def _answer(
    status: int,
    code: str,
    message: str,
    more: Mapping[str, object] = MappingProxyType({}),
    *,
    retry_after: float | None = None,
) -> Response:
    headers = {"x-amzn-ErrorType": code}
    if retry_after is not None:
        headers["Retry-After"] = f"{retry_after:g}"
    body = {
        "Type": "User" if status < 500 else "Service",
        "message" if code in _MESSAGE_IN_LOWER_CASE else "Message": message,
        **{name: value for name, value in more.items() if value},
    }
    return Response(msgspec.json.encode(body), status, headers, "application/json")
