"""How much of a state is read: an execution's own can have any number of operations, but not any size.

The bounds are bytes, time, and pages that lead nowhere. The number of operations is none: that is a
quota of the service, which AWS raises for those who ask.
"""

from __future__ import annotations

import time

from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.model.api import StatePage

__all__ = ["PageBounds"]

MOST_BYTES = 512 * 1024 * 1024
"""Five times what the service stores of one execution."""

_MOST_EMPTY = 100

# Of an operation besides its payload.
_LEAST_BYTES = 200


class PageBounds:
    """The bounds of one reading of a state. What is beyond them is raised as a ``ServiceError``."""

    def __init__(self, arn: str, ends_at: float | None) -> None:
        """``ends_at`` is the monotonic time at which the invocation has to be over."""
        self._arn = arn
        self._ends_at = ends_at
        self._markers: set[str] = set()
        self._bytes = 0
        self._empty = 0

    def next(self, marker: str) -> None:
        """A page is about to be read, the one that begins at this marker."""
        if marker in self._markers:
            raise self._beyond(f"the marker {marker[:80]!r} came twice")
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            raise self._beyond("the function's time is up; raise its timeout")
        self._markers.add(marker)

    def took(self, page: StatePage) -> None:
        """A page has been read."""
        size = 0
        # No calls for each: there are thousands.
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
