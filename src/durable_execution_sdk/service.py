"""The port to the service that keeps the log: Lambda in production, the emulator elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from durable_execution_sdk.model.api import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)

__all__ = ["EXPECTED_ANSWERS", "DataPlane", "ExpectedAnswers"]


class DataPlane(Protocol):
    """What a running handler needs of the service."""

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates, all or none; the token is used up and the next one comes back."""
        ...

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of operations, in the order in which they started."""
        ...

    def now(self) -> int:
        """The service's time, in milliseconds since the epoch."""
        ...


class ExpectedAnswers:
    """The checks of answers to callbacks whose type is known in this process.

    AWS takes any answer, and the workflow finds out. A service that runs in the process of its
    functions can refuse one that the waiting code cannot read, so that the sender may correct it.
    """

    MOST = 4_096

    def __init__(self) -> None:
        self._checks: dict[str, Callable[[bytes | None], object]] = {}

    def expect(self, callback_id: str, check: Callable[[bytes | None], object]) -> None:
        """Remember how the code that waits for a callback reads its answer."""
        checks = self._checks
        if callback_id not in checks and len(checks) >= self.MOST:
            checks.pop(next(iter(checks)), None)
        checks[callback_id] = check

    def check(self, callback_id: str, answer: bytes | None) -> None:
        """Raise what the waiting code would raise for this answer, if its type is known here."""
        check = self._checks.get(callback_id)
        if check is not None:
            check(answer)

    def forget(self, callback_id: str) -> None:
        """The callback has its answer, or takes any."""
        self._checks.pop(callback_id, None)


EXPECTED_ANSWERS = ExpectedAnswers()
"""Those of this process."""
