"""The exception that unwinds workflow code, and the verdicts with which an invocation may end."""

from __future__ import annotations

import asyncio

from msgspec import Struct

__all__ = ["Abort", "Complete", "InvocationEnded", "Suspend", "Verdict"]


class InvocationEnded(asyncio.CancelledError):
    """Unwinds workflow code when its invocation ends; the workflow goes on in a later invocation.

    It is a ``CancelledError``, so ``except Exception`` does not catch it, and task groups treat it as the
    cancellation that it is. The verdict of the invocation is set before it is raised, so code that catches
    it all the same cannot change how the invocation ends.
    """


class Complete(Struct, frozen=True):
    """A checkpoint has completed the EXECUTION itself: the response carries no result."""

    succeeded: bool
    error: BaseException | None = None


class Suspend(Struct, frozen=True):
    """Every task is blocked, and the service will invoke again: the response is PENDING."""


class Abort(Struct, frozen=True):
    """The SDK or the service ends the invocation with an error that workflow code cannot catch.

    With ``fatal``, the execution fails. Without, the handler raises the error, so that Lambda invokes again.
    """

    error: BaseException
    fatal: bool


Verdict = Complete | Suspend | Abort
