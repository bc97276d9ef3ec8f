"""The reading of an execution's state in pages, within limits.

Most states fit into the event of the invocation, and most changes into the answer to a checkpoint. Bytes, time, repeated markers and empty pages are limited. The number of operations is not: it is a quota
of the service, which AWS raises on request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from durable_execution_sdk.errors import InvocationError, ServiceError
from durable_execution_sdk.ports import DataPlane
from durable_execution_sdk.protocol.data_plane import StatePage, StateRequest
from durable_execution_sdk.protocol.limits import MAX_PAGE_ITEMS
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.runtime.settings import SHORTEST_GRACE

__all__ = ["read_in_time", "read_pages"]

MOST_BYTES = 512 * 1024 * 1024
"""The most bytes of a state that are read: five times what the service stores for one execution."""

_MOST_EMPTY = 100

# Bytes of an operation besides its payload.
_LEAST_BYTES = 200


def _never() -> bool:
    return False


async def read_pages(
    plane: DataPlane,
    arn: str,
    token: str,
    marker: str | None,
    ends_at: float | None,
    *,
    is_over: Callable[[], bool] = _never,
) -> list[Operation]:
    """Read the pages of the state from this marker on, until there are no more or ``is_over`` returns ``True``.

    ``ends_at`` is the monotonic time at which the invocation has to be over. Raises ``ServiceError`` for a
    state that exceeds the limits.
    """
    operations: list[Operation] = []
    bounds = _PageBounds(arn, ends_at)
    while marker and not is_over():
        bounds.next(marker)
        page = await plane.get_state(
            StateRequest(
                durable_execution_arn=arn,
                checkpoint_token=token,
                marker=marker,
                max_items=MAX_PAGE_ITEMS,
            )
        )
        bounds.took(page)
        operations.extend(page.operations)
        marker = page.next_marker
    return operations


async def read_in_time(
    plane: DataPlane, arn: str, token: str, marker: str, ends_at: float | None
) -> list[Operation]:
    """Read the pages of the state from this marker on; raise ``InvocationError`` when the function's time is up."""
    left = None if ends_at is None else max(SHORTEST_GRACE, ends_at - time.monotonic())
    try:
        async with asyncio.timeout(left):
            return await read_pages(plane, arn, token, marker, ends_at)
    except TimeoutError as error:
        raise InvocationError(
            f"the state of {arn} could not be read before the function's time was up:"
            " the service is slow or silent, or the function's timeout too short"
        ) from error


class _PageBounds:
    """The limits for one reading of a state. Its methods raise ``ServiceError`` beyond them."""

    def __init__(self, arn: str, ends_at: float | None) -> None:
        """``ends_at`` is the monotonic time at which the invocation has to be over."""
        self._arn = arn
        self._ends_at = ends_at
        self._markers: set[str] = set()
        self._bytes = 0
        self._empty = 0

    def next(self, marker: str) -> None:
        """Check before the page that begins at this marker is read."""
        if marker in self._markers:
            raise self._beyond(f"the marker {marker[:80]!r} came twice")
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            raise self._beyond("the function's time is up; raise its timeout")
        self._markers.add(marker)

    def took(self, page: StatePage) -> None:
        """Check a page that was read."""
        size = 0
        # Inlined, because a page has up to a thousand operations.
        for op in page.operations:
            size += _LEAST_BYTES
            details = (
                op.step_details
                or op.context_details
                or op.callback_details
                or op.chained_invoke_details
            )
            if details is not None:
                size += len(details.result or "")
                error = details.error
                if error is not None:
                    size += len(error.error_message or "") + len(error.error_data or "")
        self._bytes += size
        self._empty = 0 if page.operations else self._empty + 1
        if self._bytes > MOST_BYTES:
            raise self._beyond(f"they have {self._bytes:,} bytes, and {MOST_BYTES:,} are read")
        if self._empty > _MOST_EMPTY:
            raise self._beyond(f"{self._empty} pages in a row have no operations")

    def _beyond(self, reason: str) -> ServiceError:
        return ServiceError(
            f"the state of {self._arn} has no end within {len(self._markers)} pages: {reason}"
        )
