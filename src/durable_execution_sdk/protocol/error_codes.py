"""The service's error codes, each with its HTTP status (API: the error shapes of the operations)."""

from __future__ import annotations

__all__ = [
    "ALREADY_STARTED",
    "CALLBACK_CLOSED",
    "CONFLICT",
    "INVALID_CONTENT",
    "INVALID_PARAMETER",
    "NOT_FOUND",
    "SERVICE_FAILED",
    "STATUS",
    "TOO_LARGE",
    "TOO_MANY_REQUESTS",
]

ALREADY_STARTED = "DurableExecutionAlreadyStartedException"
CALLBACK_CLOSED = "CallbackTimeoutException"
CONFLICT = "ResourceConflictException"
INVALID_CONTENT = "InvalidRequestContentException"
INVALID_PARAMETER = "InvalidParameterValueException"
NOT_FOUND = "ResourceNotFoundException"
SERVICE_FAILED = "ServiceException"
TOO_LARGE = "RequestTooLargeException"
TOO_MANY_REQUESTS = "TooManyRequestsException"

STATUS = {
    ALREADY_STARTED: 409,
    CALLBACK_CLOSED: 400,
    CONFLICT: 409,
    INVALID_CONTENT: 400,
    INVALID_PARAMETER: 400,
    NOT_FOUND: 404,
    SERVICE_FAILED: 500,
    TOO_LARGE: 413,
    TOO_MANY_REQUESTS: 429,
}
