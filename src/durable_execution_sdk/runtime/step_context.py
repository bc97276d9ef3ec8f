"""The step context: the data of the attempt that runs, for the body of a step."""

from __future__ import annotations

import logging
import time

from msgspec import Struct
from msgspec.structs import force_setattr

from durable_execution_sdk.errors import ContextMisuseError
from durable_execution_sdk.runtime.current import CURRENT

__all__ = ["StepContext", "cut_off"]


class StepContext(Struct, frozen=True, gc=False, kw_only=True, eq=False):
    """The running attempt of a step. A step's body gets it from ``StepContext.current()``.

    ``attempt`` counts from 1. ``is_cancelled`` becomes true when the step is given up or the invocation
    ends; a plain function cannot be stopped, so one that runs long should check it and return. ``ends_at``
    is the monotonic time at which the invocation ends, ``None`` if it has no limit. Most steps need none of
    this: any function can be a step.
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
        """Return the context of the attempt that runs.

        Works in the body of a step and in everything that it calls, also in the thread of a plain function.
        Raises ``ContextMisuseError`` elsewhere.
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
        """The seconds that the invocation has left; ``None`` if its time is not limited."""
        return None if self.ends_at is None else max(0.0, self.ends_at - time.monotonic())


def cut_off(context: StepContext) -> None:
    """Set ``is_cancelled``: nothing waits for the attempt any more."""
    force_setattr(context, "is_cancelled", True)  # noqa: FBT003 - its signature
