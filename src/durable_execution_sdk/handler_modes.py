"""The modes of a handler, which users choose by name.

They are loaded when one is named: three enums cost a cold start as much as five modules.
"""

from __future__ import annotations

from enum import StrEnum

from durable_execution_sdk.first_use import OptionEnum

__all__ = ["CheckpointingMode", "OnDivergence", "ReplayLogging"]


class CheckpointingMode(StrEnum, metaclass=OptionEnum):
    """The times at which updates are sent, and at which a step's result reaches the workflow.

    ``BATCHED`` (the default): updates form the next batch while a call is in flight, and the START of a quick
    step shares the call of its completion, so that such a step costs one call.

    ``EAGER``: every update is sent at once, and a step's body runs only when its START is acknowledged. The
    history then shows during which step a crash came. A step costs two calls, one after the other.

    ``OPTIMISTIC``: in a workflow that runs one thing at a time, without timers of asyncio or calls in threads, the
    workflow gets the result of an at-least-once step before it is acknowledged. After a crash, such steps may run
    again, and code outside of steps may have acted on a result that the log never holds. The START of an
    at-most-once step still waits for everything before it.
    """

    EAGER = "EAGER"
    BATCHED = "BATCHED"
    OPTIMISTIC = "OPTIMISTIC"


class ReplayLogging(StrEnum, metaclass=OptionEnum):
    """The log lines of replayed code that are written: none (the default), from a level on, or all."""

    NONE = "NONE"
    ERRORS = "ERRORS"
    WARNINGS = "WARNINGS"
    ALL = "ALL"


class OnDivergence(StrEnum, metaclass=OptionEnum):
    """The end of an invocation whose code does not fit the log any more, or whose input no longer fits its annotation.

    ``FAIL`` (the default): the execution fails, for good.

    ``RETRY``: the handler raises, so that Lambda invokes again, with its backoff. Nothing is recorded meanwhile. To put
    the old code back rescues the execution. Without that, it is invoked again and again until its time is up.
    """

    FAIL = "FAIL"
    RETRY = "RETRY"
