"""Reports of an invocation to its observers: its start and end, checkpoint calls, runs of functions.

A handler without plugins has no reporter, and does not load this module.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from durable_execution_sdk.ports import DataPlane, ForwardingDataPlane
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    Outcome,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import Operation, OperationStatus
from durable_execution_sdk.runtime.bodies import BodyWatcher
from durable_execution_sdk.runtime.error_objects import capture
from durable_execution_sdk.runtime.log import Journal
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.settings import Invoked, Settings

if TYPE_CHECKING:
    from durable_execution_sdk.runtime.bodies import Observable
    from durable_execution_sdk.runtime.extension_points import Observers, Reporter

__all__ = ["measured", "reported", "reporter", "watch"]

_S = TypeVar("_S")
_T = TypeVar("_T")


def reporter(
    settings: Settings,
    observers: Observers,
    journal: Journal,
    execution: Operation,
    invoked: Invoked,
    plane: DataPlane,
) -> Reporter:
    """Make the reporter of this invocation."""
    return observers.reporter(
        execution,
        journal.known(),
        journal.updated_ids,
        arn=invoked.arn,
        request_id=invoked.request_id,
        trace_header=getattr(invoked.lambda_context, "trace_header", None)
        or os.environ.get("_X_AMZN_TRACE_ID"),
        now=plane.now,
        limits=settings.limits,
    )


def measured(plane: DataPlane, report: Reporter) -> DataPlane:
    """Return the data plane, wrapped so that its calls are reported if a plugin wants that."""
    return _MeasuredPlane(plane, report) if report.wants_calls else plane


def watch(run: InvocationRun, report: Reporter) -> None:
    """Connect the reporter to the run: operations report their claims, updates and news."""
    run.reporter = run.unsettled.reporter = report
    if report.wants_attempts:
        run.watcher = Watcher(run, report)


async def reported(report: Reporter, run: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Run an invocation, and report its start and its end."""
    report.invocation_started()
    try:
        outcome = await run()
    except BaseException as error:
        report.invocation_ended("RETRY", error=capture(error))
        raise
    report.invocation_ended(outcome.status, outcome.result, outcome.error)
    return outcome


class Watcher(BodyWatcher):
    """Runs the user's functions, and reports each run."""

    def __init__(self, run: InvocationRun, report: Reporter) -> None:
        self._invocation = run
        self._report = report

    async def step(
        self, operation: Observable, number: int, body: Callable[[], Awaitable[None]]
    ) -> None:
        """Run an attempt of a step; hooks run in the same contextvars context."""
        await self._run(operation, body, number)

    async def context(self, operation: Observable, body: Callable[[], Awaitable[_T]]) -> _T:
        """Run the function of a context; hooks run apart from it, because it is workflow code."""
        return await self._run(operation, body, None)

    async def virtual_context(
        self, operation: Observable, body: Callable[[_S], Awaitable[_T]], inner: _S
    ) -> _T:
        """Run the function of a context without an operation; hooks run apart from it."""
        return await self._run(operation, partial(body, inner), None, is_virtual=True)

    async def _run(
        self,
        operation: Observable,
        body: Callable[[], Awaitable[_T]],
        number: int | None,
        *,
        is_virtual: bool = False,
    ) -> _T:
        subject = Operation(
            id=operation.operation_id,
            type=operation.kind,
            status=OperationStatus.STARTED,
            parent_id=operation.context_state.parent_id,
            name=operation.name,
            sub_type=operation.sub_type,
        )
        started = self._report.attempt_started(
            subject,
            number,
            is_replaying=operation.context_state.is_replaying,
            is_virtual=is_virtual,
        )
        outcome, recorded = "INCOMPLETE", None
        try:
            result = await body()
            outcome = "SUCCEEDED"
        except (Exception, asyncio.CancelledError) as error:
            is_cut = operation.is_cancelled or self._invocation.is_ending
            if isinstance(error, Exception) or not is_cut:
                outcome, recorded = "FAILED", capture(error)
            raise
        finally:
            # The log does not tell of the end of a virtual context, but of the code after it.
            is_replay = is_virtual and operation.context_state.is_replaying
            self._report.attempt_ended(started, outcome, recorded, is_replay=is_replay)
        return result


class _MeasuredPlane(ForwardingDataPlane):
    """A data plane that measures checkpoint calls and reports them."""

    def __init__(self, plane: DataPlane, report: Reporter) -> None:
        super().__init__(plane)
        self._report = report

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        size = len(msgspec.json.encode(request.updates))
        began_at, began = self.now(), time.monotonic()
        error: ErrorObject | None = None
        try:
            return await self._plane.checkpoint(request)
        except BaseException as raised:
            error = capture(raised)
            raise
        finally:
            seconds = time.monotonic() - began
            self._report.called(len(request.updates), size, began_at, seconds, error)
