"""Read executions, lists of them and their histories, no faster than the service allows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from durable_execution_sdk.call_timing import Backoff, Timing
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    ExecutionSummary,
    HistoryPage,
    HistoryRequest,
    ListRequest,
)
from durable_execution_sdk.protocol.limits import (
    DEFAULT_PAGE_ITEMS,
    MAX_DESCRIPTIONS_PER_SECOND,
    MAX_HISTORIES_PER_SECOND,
    MAX_LISTS_PER_SECOND,
    MAX_PAGE_ITEMS,
)
from durable_execution_sdk.protocol.operations import is_status

__all__ = ["PacedReading"]

_THROTTLED = 429
# The rates are those of a whole account, so others may use them up for a while.
_PATIENT = Backoff(attempts=12, first=1.0, longest=30.0, give_up_after=300.0)
_Answer = TypeVar("_Answer")


class PacedReading:
    """Reads of a control plane, each kind at its rate, with longer pauses while the service refuses more.

    Without ``is_limited`` there are no rates, as for servers of this computer.
    """

    def __init__(
        self,
        control: ControlPlane,
        timing: Timing | None = None,
        backoff: Backoff = _PATIENT,
        *,
        is_limited: bool = True,
    ) -> None:
        timing = timing or Timing()
        self._control = control
        self._lists, self._histories, self._descriptions = (
            _Pace(1 / rate if is_limited else 0.0, timing, backoff)
            for rate in (
                MAX_LISTS_PER_SECOND,
                MAX_HISTORIES_PER_SECOND,
                MAX_DESCRIPTIONS_PER_SECOND,
            )
        )

    async def executions(
        self,
        request: ListRequest,
        most: int | None = None,
        *,
        wanted: Callable[[ExecutionSummary], bool] | None = None,
    ) -> AsyncIterator[ExecutionSummary]:
        """Yield the executions that a request finds and that are wanted, page by page, at most ``most`` of them.

        ``wanted`` checks the filters of the request again, for endpoints that ignore some.
        """
        left, size = most, MAX_PAGE_ITEMS if most is None else min(most, MAX_PAGE_ITEMS)
        while True:
            asked = replace(request, max_items=size)
            page = await self._lists.call(partial(self._control.list_executions, asked))
            found = [each for each in page.durable_executions if wanted is None or wanted(each)]
            for summary in found[:left]:
                yield summary
            left = None if left is None else max(0, left - len(found))
            if not page.next_marker or left == 0:
                return
            if page.next_marker == request.marker:
                raise ConfigError(
                    f"the list of executions of {request.function_name} has no end: a marker came twice"
                )
            if len(found) < len(page.durable_executions):
                # Small pages of an endpoint that does not filter would take a request for each execution.
                size = MAX_PAGE_ITEMS
            elif left is not None:
                size = min(left, size)
            request = replace(request, marker=page.next_marker)

    async def history(self, request: HistoryRequest) -> HistoryPage:
        """Read a page of an execution's events."""
        return await self._histories.call(partial(self._control.history, request))

    async def last_status(self, arn: str) -> str | None:
        """Read the history from its end, and return the last status that the code has set; ``None`` if there is none."""
        # Most are near the end.
        marker, size = None, DEFAULT_PAGE_ITEMS
        while True:
            page = await self.history(
                HistoryRequest(
                    durable_execution_arn=arn, reverse_order=True, max_items=size, marker=marker
                )
            )
            for event in page.events:
                details = event.step_succeeded_details
                if details is not None and is_status(event.id, event.name):
                    return None if details.result is None else details.result.payload
            if not page.next_marker:
                return None
            if page.next_marker == marker:
                raise ConfigError(f"the history of {arn} has no end: a marker came twice")
            marker, size = page.next_marker, MAX_PAGE_ITEMS

    async def describe(
        self, arn: str, *, include_execution_data: bool = True
    ) -> ExecutionDescription:
        """Read the status of an execution, and its input, result and error."""
        ask = partial(self._control.describe, arn, include_execution_data=include_execution_data)
        return await self._descriptions.call(ask)


class _Pace:
    """Calls of one kind, at even distances. A refused one pushes back those that follow too."""

    def __init__(self, distance: float, timing: Timing, backoff: Backoff) -> None:
        self._distance = distance
        self._timing = timing
        self._backoff = backoff
        self._next = timing.elapsed()

    async def call(self, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        started, attempt = self._timing.elapsed(), 0
        while True:
            attempt += 1
            await self._turn()
            try:
                return await ask()
            except ServiceError as error:
                delay = None
                if error.status == _THROTTLED:
                    delay = self._backoff.delay(
                        attempt=attempt,
                        elapsed=self._timing.elapsed() - started,
                        jitter=self._timing.jitter(),
                        retry_after=error.retry_after,
                    )
                if delay is None:
                    raise
                self._next = max(self._next, self._timing.elapsed() + delay)

    async def _turn(self) -> None:
        now = self._timing.elapsed()
        turn = max(now, self._next)
        self._next = turn + self._distance
        if turn > now:
            await self._timing.sleep(turn - now)
