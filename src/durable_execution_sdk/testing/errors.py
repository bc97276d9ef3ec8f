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
    """


class RunTimeoutError(DurableTestError, TimeoutError):
    """A call of the runner took more real time than allowed; the message shows where the code is."""


class NoSuchOperationError(DurableTestError, LookupError):
    """The execution has no such operation; the message lists its operations."""


class UnexpectedStatusError(DurableTestError, AssertionError):
    """The execution has another status than the test expects; the message shows its operations."""


class UnusedFaultError(DurableTestError, AssertionError):
    """The execution ended before a planned fault could happen; the message names the fault."""


def is_told(excinfo: Any) -> bool:
    """Tell whether an error's message is complete, so that frames of this package may be hidden.

    pytest calls it for modules that set it as ``__tracebackhide__``; ``--full-trace`` shows all frames.
    """
    return isinstance(excinfo.value, DurableError)
