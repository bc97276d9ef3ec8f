"""Map failed calls to ``ServiceError``: error responses, missing responses, missing credentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from durable_execution_sdk.aws.framing import HttpResponse
from durable_execution_sdk.aws.transport import NoAnswerError
from durable_execution_sdk.errors import ServiceError

__all__ = ["read_answer", "refusal", "without_answer", "without_credentials"]

_T = TypeVar("_T")

# Values of "Type" in a body that name the party at fault. Other values are the error's code, if no header
# has it.
_FAULT_PARTIES = frozenset({"User", "Service", "Sender", "Receiver", "Server"})


def refusal(operation: str, response: HttpResponse) -> ServiceError:
    """Return the error that a response reports."""
    body = _members(response.body)
    error = ServiceError(
        _first(body, "message", "Message", "errorMessage")
        or f"AWS answered {operation} with HTTP {response.status} and no reason",
        code=_code(response, body),
        status=response.status,
        retry_after=_seconds(response.headers.get("retry-after")),
    )
    reason = _first(body, "Reason")
    request_id = response.headers.get("x-amzn-requestid")
    error.add_note(
        f"AWS answered {operation} with HTTP {response.status}"
        + (f", reason {reason}" if reason else "")
        + (f", request id {request_id}" if request_id else "")
    )
    return error


def without_answer(operation: str, failure: NoAnswerError) -> ServiceError:
    """Return the error of a call without a response."""
    error = ServiceError(f"{operation}: {failure}")
    error.__cause__ = failure
    return error


def without_credentials(operation: str, error: Exception) -> ServiceError:
    """Return the error of a call that could not be signed; transient, as keys may become available."""
    return ServiceError(f"{operation} cannot be signed: {error}", code="CredentialsError")


def read_answer(operation: str, decode: Callable[[bytes], _T], response: HttpResponse) -> _T:
    """Decode the body of a success; raise ``ServiceError``, as without a response, if it is malformed."""
    try:
        return decode(response.body)
    except (msgspec.DecodeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise ServiceError(
            f"{operation}: HTTP {response.status} with a body that is not an answer to it "
            f"({error}); is the endpoint Lambda's API?"
        ) from error


def _members(body: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _code(response: HttpResponse, body: dict[str, object]) -> str | None:
    name = response.headers.get("x-amzn-errortype") or _first(body, "__type", "code", "Code")
    if name is None:
        name = _first(body, "Type")
        if name in _FAULT_PARTIES:
            return None
    return name.partition(":")[0].rpartition("#")[2] if name else None


def _first(body: dict[str, object], *names: str) -> str | None:
    for name in names:
        value = body.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def _seconds(text: str | None) -> float | None:
    """Parse ``Retry-After`` in seconds; return ``None`` for a date, which Lambda does not send."""
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
