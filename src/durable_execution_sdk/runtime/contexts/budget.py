"""The budget of an execution: the operations, bytes and time that it has used, as workflow code may see them.

Code branches on it (``if ctx.budget.operations.left < 200``), so it has to be the same on the first run and on every
replay. The number of records is not: replay has all from the start, and none of what is in contexts that have ended.
So an operation counts for code once that code, or the code of a context around it, has asked for it; an attempt or a
byte counts once the outcome was delivered to it; and what is in another context counts once that context has ended::

    async def handle(event, ctx):                      ctx.budget.operations.used
        await ctx.step(load)                           2   the execution and load
        await ctx.map(orders, charge)                  9   and a map, of three items with a step in each
        await ctx.step(flaky)                          12  of which two retries

Each context counts for itself (``ContextState``), so the sum over a context and those around it is what its code may
see. Contexts that run beside it are left out, as replay may find them ended. How the content of ended contexts comes
into the log is told in ``operations.lifecycle.context_totals``.

Not counted is what the log does not show to code: records of the SDK (patches, ranks of late ends, timers that were
cancelled), repeated invocations, and what is in contexts that were given up; of the bytes, payloads of invokes and
the errors and states of attempts before the last. So the figures are a lower bound, and a quota needs a margin.
"""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct

from durable_execution_sdk.duration import Duration
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.execution_limits import ExecutionLimits
from durable_execution_sdk.protocol.updates import text_bytes
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope

__all__ = ["Budget", "Quota", "TimeQuota", "budget_of"]

_DEFAULT = ExecutionLimits()

_LEFT_OUT = (
    "ctx.budget counts a context that has ended before the first look at the budget as one operation, without what is in"
    " it. State limits, so that contexts are counted from the start:"
    " @durable_execution(limits=ExecutionLimits())"
)


class Quota(Struct, frozen=True):
    """The part of a quota that the execution has used, and the whole."""

    used: int
    limit: int

    @property
    def left(self) -> int:
        """The rest of it; 0 if it is used up."""
        return max(0, self.limit - self.used)


class TimeQuota(Struct, frozen=True):
    """The age of the execution by the log's time, as ``ctx.now()`` has it, and its timeout if that is known."""

    used: timedelta
    known_limit: timedelta | None

    @property
    def limit(self) -> timedelta:
        """The ``ExecutionTimeout`` of the function.

        Raises:
            ConfigError: the handler does not state it.
        """
        if self.known_limit is None:
            raise ConfigError(
                "the time that is left is not known: the service does not tell a function its ExecutionTimeout; state"
                " it, as in durable_execution(limits=ExecutionLimits(duration=Duration.from_days(30)))"
            )
        return self.known_limit

    @property
    def left(self) -> timedelta:
        """The time until the execution times out; zero if that is over.

        Raises:
            ConfigError: the handler does not state the timeout.
        """
        return max(timedelta(), self.limit - self.used)


class Budget(Struct, frozen=True):
    """The operations, bytes and time of an execution at one place of its code; the same on every replay.

    ``operations``: the execution itself, the operations that the code of this context and of those around it has asked
    for, their retries, and what is in contexts that have ended. ``bytes``: the input, and the results and errors that
    this code has seen. ``duration``: the log's time.

    Operations and bytes are a lower bound: see docs/budget.md for what the log does not show. Leave a margin.
    """

    operations: Quota
    bytes: Quota
    duration: TimeQuota


def budget_of(scope: IdScope) -> Budget:
    """Return the budget at the place of the code that runs in this scope."""
    run = scope.context_state.run
    if run.leaves_out_contexts and not scope.is_replaying:
        run.settings.logger.warning(_LEFT_OUT)
    run.counts_contexts, run.leaves_out_contexts = True, False
    limits = run.settings.limits or _DEFAULT
    execution = run.journal.execution
    details = execution.execution_details if execution is not None else None
    stored = text_bytes(details.input_payload) if details is not None else 0
    context_state: ContextState | None = scope.context_state
    while context_state is not None:
        stored += context_state.stored_bytes
        context_state = context_state.parent
    started_at = (execution.start_timestamp if execution is not None else None) or run.began_at
    age = timedelta(milliseconds=int(scope.now - started_at))
    return Budget(
        # One is the execution itself.
        operations=Quota(1 + scope.context_state.operations_around, limits.operations),
        bytes=Quota(stored, limits.bytes),
        duration=TimeQuota(age, _timeout(limits)),
    )


def _timeout(limits: ExecutionLimits) -> timedelta | None:
    if limits.duration is None:
        return None
    duration = Duration.of(limits.duration, "ExecutionLimits.duration")
    return timedelta(seconds=duration.to_seconds())
