"""The service's error codes, each with its HTTP status (API: the error shapes of the operations).

The messages about the quotas of an execution are here too, with ways to need less: the engine's and the SDK's are one.
"""

from __future__ import annotations

__all__ = [
    "ALREADY_STARTED",
    "CALLBACK_CLOSED",
    "CONFLICT",
    "INVALID_CONTENT",
    "INVALID_PARAMETER",
    "NOT_FOUND",
    "OPERATIONS_CURE",
    "SERVICE_FAILED",
    "STATUS",
    "STORAGE_CURE",
    "TOO_LARGE",
    "TOO_MANY_REQUESTS",
    "too_many_bytes",
    "too_many_operations",
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

OPERATIONS_CURE = (
    "Every operation counts, and every retry: give the items of a map no operation of their own"
    " (NestingType.FLAT), group them (ItemBatcher), do more in each step, invoke other durable functions, whose"
    " executions have limits of their own (ctx.invoke), or go on as a new execution in time"
    " (ctx.budget, ctx.continue_as_new)."
)
STORAGE_CURE = (
    "Input, results, states of polls, payloads of invokes and errors count: keep large data elsewhere (S3, a"
    " database) and its keys here, invoke other durable functions, whose executions have limits of their own"
    " (ctx.invoke), or go on as a new execution in time (ctx.budget, ctx.continue_as_new)."
)


def too_many_operations(limit: int) -> str:
    """Return the message for an execution above its quota of operations."""
    return f"The execution exceeded the limit of {limit} durable operations. {OPERATIONS_CURE}"


def too_many_bytes(limit: int) -> str:
    """Return the message for an execution above its quota of storage."""
    return f"The execution exceeded the limit of {limit} bytes of storage. {STORAGE_CURE}"
