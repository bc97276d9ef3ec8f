"""The body of a request, read within bounds of size and time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.requests import Request

from durable_execution_sdk.engine.rejections import too_large
from durable_execution_sdk.errors import ServiceError

BODY_SECONDS = 20.0
"""Time limit for the arrival of a request's body, in seconds."""

_DRAIN_SECONDS = 5.0


async def read_body(request: Request, most: int) -> bytes:
    """Read a body of at most ``most`` bytes.

    Raises ``ServiceError``: 413 if the body is larger, 408 if it takes more than ``BODY_SECONDS``.
    """
    declared = request.headers.get("content-length", "")
    is_large = declared.isdecimal() and (len(declared) > len(str(most)) or int(declared) > most)
    if not is_large:
        body = await _within(request, most, BODY_SECONDS)
        if body is not None:
            return body
    elif "expect" not in request.headers:
        # Read the rest: a client that is still sending would see a broken connection, not the error.
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                async for _ in request.stream():
                    pass
    raise too_large(f"The body of the request has more than {most} bytes, the most that is read.")


async def _within(request: Request, most: int, seconds: float) -> bytes | None:
    """Read the body; ``None`` if it is too large. The rest of one that is too large is drained."""
    body, is_large = bytearray(), False
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        async with asyncio.timeout_at(deadline) as timer:
            async for chunk in request.stream():
                if not is_large and len(body) + len(chunk) > most:
                    is_large = True
                    body.clear()
                    drained = asyncio.get_running_loop().time() + _DRAIN_SECONDS
                    timer.reschedule(min(deadline, drained))
                if not is_large:
                    body += chunk
    except TimeoutError:
        if not is_large:
            raise ServiceError(
                f"The body of the request did not arrive within {seconds:g} seconds.",
                code="RequestTimeoutException",
                status=408,
            ) from None
    return None if is_large else bytes(body)
