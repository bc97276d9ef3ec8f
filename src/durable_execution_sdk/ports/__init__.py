"""Port to the data plane of the service: Lambda in production, the emulator elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)

__all__ = [
    "EXPECTED_ANSWERS",
    "DataPlane",
    "ExpectedAnswers",
    "ForwardingDataPlane",
    "read_history",
    "start_execution",
]


class DataPlane(Protocol):
    """The service's operations that a running handler uses.

    All methods but ``now`` raise ``ServiceError`` when the service refuses a call or cannot be reached.
    """

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates, all or none; the token is valid once, the response has the next one."""
        ...

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of operations, in the order in which they started."""
        ...

    def now(self) -> int:
        """Return the service's time, in milliseconds since the epoch."""
        ...


if TYPE_CHECKING:
    from durable_execution_sdk.protocol.control_plane import (
        HistoryPage,
        HistoryRequest,
        InvokeRequest,
        InvokeResponse,
    )

    class SentCheckpoint(Protocol):
        """A checkpoint that was sent, and has to be finished or closed."""

        def answer(self) -> CheckpointResponse | None:
            """Return the answer if it is a success, and all that there is to the call; ``None`` if ``finish`` has to follow."""
            ...

        async def finish(self) -> CheckpointResponse:
            """Wait for the answer, and do what ``checkpoint`` does if there is none, or one that is no success."""
            ...

        def close(self) -> None:
            """Wait for no answer."""
            ...

    SendCheckpoint = Callable[
        [CheckpointRequest, asyncio.Task[None], Callable[[], object]], SentCheckpoint | None
    ]
    """Sends a checkpoint without a turn of the event loop: the method ``send_checkpoint``, which a data plane may have.

    The task is that which makes a series of checkpoints. The callback is called as soon as the answer is there, or an
    error. The function returns ``None``, and has done nothing, if it takes more than to send: a new connection for
    instance.
    """


class ForwardingDataPlane:
    """A data plane in front of another one: override what is to be different."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates."""
        return await self._plane.checkpoint(request)

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of operations."""
        return await self._plane.get_state(request)

    async def history(self, request: HistoryRequest) -> HistoryPage:
        """Read a page of another execution's history."""
        return await read_history(self._plane, request)

    async def start_execution(self, request: InvokeRequest) -> InvokeResponse:
        """Start an execution."""
        return await start_execution(self._plane, request)

    def now(self) -> int:
        """Tell the service's time."""
        return self._plane.now()


async def read_history(plane: DataPlane, request: HistoryRequest) -> HistoryPage:
    """Read a page of another execution's history, which a fork begins with; raise ``ConfigError`` if the plane cannot.

    Data planes need not offer ``history``: no other execution asks for it.
    """
    read = getattr(plane, "history", None)
    if read is None:
        raise ConfigError(
            f"a fork reads the history of another execution, and {type(plane).__name__} has no method"
            " history(HistoryRequest) -> HistoryPage"
        )
    page: HistoryPage = await read(request)
    return page


async def start_execution(plane: DataPlane, request: InvokeRequest) -> InvokeResponse:
    """Start another execution, as which one goes on; raise ``ConfigError`` if the plane cannot.

    Data planes need not offer ``start_execution``: only ``ctx.continue_as_new`` asks for it.
    """
    start = getattr(plane, "start_execution", None)
    if start is None:
        raise ConfigError(
            f"ctx.continue_as_new starts an execution, and {type(plane).__name__} has no method"
            " start_execution(InvokeRequest) -> InvokeResponse"
        )
    response: InvokeResponse = await start(request)
    return response


class ExpectedAnswers:
    """Checks of results for callbacks that code in this process waits for.

    AWS accepts any result, and the workflow fails when it cannot decode it. An emulator in the process
    of its functions can refuse such a result instead, so that the sender can correct it. At most 4,096
    checks are kept; the oldest is dropped.
    """

    MOST = 4_096

    def __init__(self) -> None:
        self._checks: dict[str, Callable[[bytes | None], object]] = {}

    def expect(self, callback_id: str, check: Callable[[bytes | None], object]) -> None:
        """Register the function that decodes the result of a callback and raises if it cannot."""
        checks = self._checks
        if callback_id not in checks and len(checks) >= self.MOST:
            checks.pop(next(iter(checks)), None)
        checks[callback_id] = check

    def check(self, callback_id: str, answer: bytes | None) -> None:
        """Raise the error that the waiting code would raise for this result, if a check is registered."""
        check = self._checks.get(callback_id)
        if check is not None:
            check(answer)

    def forget(self, callback_id: str) -> None:
        """Remove the check of a callback."""
        self._checks.pop(callback_id, None)


EXPECTED_ANSWERS = ExpectedAnswers()
"""The checks of this process."""
