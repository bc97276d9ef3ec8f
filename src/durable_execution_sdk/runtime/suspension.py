"""Suspension: how workflow code is unwound, and what an invocation may end with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

__all__ = ["Aborted", "Completed", "Suspended", "Verdict", "WentAway"]


class Suspended(asyncio.CancelledError):
    """The invocation has ended; the workflow goes on in a later one.

    A ``CancelledError``, so that ``except Exception`` does not swallow it and task groups take it for
    what it is. The verdict is in before it is raised: code that swallows it all the same changes
    nothing.
    """


@dataclass(frozen=True)
class Completed:
    """The EXECUTION itself was completed through a checkpoint."""

    succeeded: bool
    error: BaseException | None = None


@dataclass(frozen=True)
class WentAway:
    """Everything is blocked, and the service will invoke again: PENDING."""


@dataclass(frozen=True)
class Aborted:
    """Something outside the workflow's own code ends the invocation.

    ``fatal`` fails the execution; otherwise the error is raised, so that Lambda invokes again.
    """

    error: BaseException
    fatal: bool


Verdict = Completed | WentAway | Aborted
