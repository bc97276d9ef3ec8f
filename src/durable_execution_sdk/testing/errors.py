"""What goes wrong in a test that is not the workflow's own doing.

::

    DurableError
    └── DurableTestError
        ├── StuckError              the execution waits, and nothing will ever end that
        ├── RunTimeoutError         the test's own time limit, in real seconds; a TimeoutError too
        ├── NoSuchOperationError    no operation has this name, index or id; a LookupError too
        ├── UnexpectedStatusError   the execution ended otherwise; an AssertionError too
        ├── UnusedFaultError        a planned fault never happened; an AssertionError too
        └── HarmError               disturbances do harm to a workflow; an AssertionError too
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
    """What a test runner raises of its own accord; the message shows the execution."""


class StuckError(DurableTestError):
    """The execution waits, and nothing that the runner knows of will ever end that.

    The message names what it waits for, and what to do.
    """


class RunTimeoutError(DurableTestError, TimeoutError):
    """Driving the execution took more real time than the test allows; the message says where it is."""


class NoSuchOperationError(DurableTestError, LookupError):
    """The execution has no such operation; the message lists those that it has."""


class UnexpectedStatusError(DurableTestError, AssertionError):
    """The execution has another status than the test expects; the message shows its operations."""


class UnusedFaultError(DurableTestError, AssertionError):
    """The execution ended before a fault that the test had planned could happen; the message says which."""


def is_told(excinfo: Any) -> bool:
    """Whether an error says all that there is to say, so that frames of ours tell nobody more.

    pytest asks it of modules that have it as ``__tracebackhide__``; ``--full-trace`` shows them.
    """
    return isinstance(excinfo.value, DurableError)
