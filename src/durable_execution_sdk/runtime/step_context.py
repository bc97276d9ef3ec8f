"""What the body of a step may know about its own attempt."""

from __future__ import annotations

import logging
import time

from msgspec import Struct
from msgspec.structs import force_setattr

from durable_execution_sdk.errors import ContextMisuseError
from durable_execution_sdk.runtime.current import CURRENT

__all__ = ["StepContext", "cut_off"]


class StepContext(Struct, frozen=True, gc=False, kw_only=True, eq=False):
    """The attempt that is running: ``StepContext.current()`` inside a step's body.

    ``attempt`` counts from 1. ``is_cancelled`` becomes true when the step is given up or the invocation
    ends: a plain function cannot be stopped, so one that runs long should look at it and return. A
    function needs to know nothing of this to be a step.
    """

    operation_id: str
    operation_name: str | None
    parent_id: str | None
    attempt: int
    durable_execution_arn: str
    request_id: str
    logger: logging.Logger
    ends_at: float | None
    is_cancelled: bool = False

    @staticmethod
    def current() -> StepContext:
        """The context of the attempt that is running.

        Raises ``ContextMisuseError`` outside a step's body.
        """
        current = CURRENT.get()
        if isinstance(current, StepContext):
            return current
        raise ContextMisuseError(
            "StepContext.current() was called outside a step: only a step's body, and what it calls,"
            " has an attempt"
        )

    @property
    def remaining_seconds(self) -> float | None:
        """How many seconds the invocation has left, or ``None`` if its time is not limited."""
        return None if self.ends_at is None else max(0.0, self.ends_at - time.monotonic())


def cut_off(context: StepContext) -> None:
    """Tell an attempt that nothing waits for it any more."""
    force_setattr(context, "is_cancelled", True)  # noqa: FBT003 - its signature
