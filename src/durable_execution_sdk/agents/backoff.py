"""The retry strategy of model requests, which knows the errors of HTTP clients without importing any.

An error is read by the attributes that clients give theirs: ``status_code`` and ``response.headers`` (httpx, OpenAI,
Anthropic, requests, aiohttp) or the ``ResponseMetadata`` of botocore, in the error and in those that it was raised
from, since frameworks wrap them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, cast

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.retry import ExponentialBackoff, RetryDecision, RetryStrategy

__all__ = ["ModelBackoff", "retry_after_seconds"]

# Statuses below 500 that may differ next time: request timeout, conflict, too early, too many requests.
_PASSING = frozenset({408, 409, 425, 429})
# Errors of code: they would be raised again.
_FINAL = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    NameError,
    NotImplementedError,
    AssertionError,
    ImportError,
)
_FINAL_NAMES = frozenset({"UserError"})


class ModelBackoff(Options, frozen=True, kw_only=True):
    """Retries model requests: the delay is the one that the provider names, or else that of ``otherwise``.

    A status of 408, 409, 425, 429 or 500 and more, throttling, and errors without a status, such as a lost
    connection, are retried. Other statuses, and errors of code (``TypeError``, ``ValueError``, ...), are not, and
    neither is what an ``x-should-retry`` header rules out. Of a group of errors, as a model with stand-ins raises it, one
    that may pass is enough.

    Args:
        max_attempts: number of attempts, the first one included.
        longest_wait: if the provider asks for more (``Retry-After``), the request fails at once.
        otherwise: strategy for errors that name no delay; its own number of attempts counts too.
    """

    max_attempts: int = 6
    longest_wait: DurationLike = Duration(86_400)
    otherwise: RetryStrategy = ExponentialBackoff(max_attempts=6)

    def __post_init__(self) -> None:
        """Raise ``ConfigError`` for invalid options."""
        if not isinstance(self.max_attempts, int) or self.max_attempts < 1:
            raise ConfigError(
                f"ModelBackoff.max_attempts must be 1 or more, not {self.max_attempts!r}"
            )
        Duration.of(self.longest_wait, "ModelBackoff.longest_wait").checked("longest_wait")

    def __call__(self, error: Exception, attempt: int, /) -> RetryDecision:
        """Decide by the provider's answer."""
        if attempt >= self.max_attempts or not is_passing(error):
            return RetryDecision.stop()
        seconds = retry_after_seconds(error)
        if seconds is None:
            return self.otherwise(error, attempt)
        if seconds > Duration.of(self.longest_wait).seconds:
            return RetryDecision.stop()
        return RetryDecision(retry=True, delay_seconds=max(1, math.ceil(seconds)))


def is_passing(error: BaseException) -> bool:
    """Return ``True`` for an error that may not come again."""
    for each in _chain(error):
        if members := _members(each):  # of models that stand in for one another
            return any(map(is_passing, members))
        wish = _headers(each).get("x-should-retry")
        if wish in ("true", "false"):
            return bool(wish == "true")
        if _is_throttling(each):
            return True
        status = _status(each)
        if status is not None:
            return status in _PASSING or status >= 500
    names = {kind.__name__ for kind in type(error).__mro__}
    return not (isinstance(error, _FINAL) or names & _FINAL_NAMES)


def retry_after_seconds(error: BaseException) -> float | None:
    """Return the seconds after which the provider takes the request again; ``None`` if its answer names none.

    It reads the headers ``Retry-After-Ms`` and ``Retry-After``. A date counts from the answer's own ``Date``.
    """
    for each in _chain(error):
        if members := _members(each):
            waits = [retry_after_seconds(one) for one in members if is_passing(one)]
            known = [wait for wait in waits if wait is not None]
            return min(known) if known and len(known) == len(waits) else None
        headers = _headers(each)
        milliseconds = _number(headers.get("retry-after-ms"))
        if milliseconds is not None:
            return milliseconds / 1000
        text = headers.get("retry-after")
        seconds = _number(text)
        if seconds is None and text:
            seconds = _until(text, headers.get("date"))
        if seconds is not None:
            return seconds
    return None


def _members(error: BaseException) -> tuple[BaseException, ...]:
    """Return the errors of a group; of another error none."""
    if isinstance(error, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", error).exceptions
    return ()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and those that it was raised from."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _status(error: object) -> int | None:
    response = getattr(error, "response", None)
    holders: list[Any] = [_metadata(response).get("HTTPStatusCode")]
    for holder in (error, response):
        holders += [getattr(holder, name, None) for name in ("status_code", "status", "code")]
    return next((each for each in holders if isinstance(each, int) and 99 < each < 600), None)


def _is_throttling(error: object) -> bool:
    code = str(_member(getattr(error, "response", None), "Error").get("Code", ""))
    return "Throttl" in code or code in ("TooManyRequestsException", "ModelNotReadyException")


def _metadata(response: object) -> Mapping[str, Any]:
    return _member(response, "ResponseMetadata")


def _member(response: object, name: str) -> Mapping[str, Any]:
    """Return a mapping in botocore's dictionary of a response, or an empty one."""
    found: object = (
        cast("dict[str, object]", response).get(name) if isinstance(response, dict) else None
    )
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _headers(error: object) -> Mapping[str, str]:
    response = getattr(error, "response", None)
    found: Any = _metadata(response).get("HTTPHeaders")
    if found is None:
        found = getattr(response, "headers", None) or getattr(error, "headers", None)
    try:
        return {str(name).lower(): str(value) for name, value in found.items()}
    except (AttributeError, TypeError, ValueError):
        return {}


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _until(moment: str, now: str | None) -> float | None:
    try:
        return (parsedate_to_datetime(moment) - parsedate_to_datetime(now or "")).total_seconds()
    except (ValueError, TypeError):
        return None
