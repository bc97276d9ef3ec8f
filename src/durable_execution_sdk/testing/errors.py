"""Errors of the test runners and checks.

::

    DurableError
    └── DurableTestError
        ├── StuckError              the execution waits for something that will never happen
        ├── RunTimeoutError         the test's own time limit, in real seconds; also a TimeoutError
        ├── NoSuchOperationError    no operation has this name, index or id; also a LookupError
        ├── UnexpectedStatusError   the execution has another status; also an AssertionError
        ├── UnusedFaultError        a planned fault never happened; also an AssertionError
        └── HarmError               disturbances do harm to a workflow; also an AssertionError
"""

from __future__ import annotations

from typing import Any

from durable_execution_sdk.errors import DurableError

__all__ = [
    "DurableTestError",
    "NoSuchOperationError",
    "RunTimeoutError",
    "StuckError",
    "UnexpectedStatusError",
    "UnusedFaultError",
    "is_told",
]


class DurableTestError(DurableError):
    """The base class of errors of the test runners; the message shows the execution."""


class StuckError(DurableTestError):
    """The execution waits for something that will never happen, such as an answer to a callback.

    The message names the operations that wait, and the remedy.

    Cure: answer the callback in the test, register the function that is invoked, or send the message.
    """


class RunTimeoutError(DurableTestError, TimeoutError):
    """A call of the runner took more real time than allowed; the message shows where the code is.

    Cause: real work of a step takes long, or code blocks.

    Cure: replace the step's work in the test; for real long work pass a longer ``timeout``.
    """


class NoSuchOperationError(DurableTestError, LookupError):
    """The execution has no such operation; the message lists its operations.

    Cure: take one of the names that the message lists.
    """


class UnexpectedStatusError(DurableTestError, AssertionError):
    """The execution has another status than the test expects; the message shows its operations.

    Cure: the message shows the operation that failed or waits; if the status is right, expect that one.
    """


class UnusedFaultError(DurableTestError, AssertionError):
    """The execution ended before a planned fault could happen; the message names the fault.

    Cure: plan the fault for an operation and an attempt that happen, as the message lists them.
    """


def is_told(excinfo: Any) -> bool:
    """Tell whether an error's message is complete, so that frames of this package may be hidden.

    pytest calls it for modules that set it as ``__tracebackhide__``; ``--full-trace`` shows all frames.
    """
    return isinstance(excinfo.value, DurableError)
