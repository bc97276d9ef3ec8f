"""Sagas: steps with compensations, which undo them when a later step fails.

The compensations run in a CONTEXT of their own, one STEP each, so each runs once in spite of crashes. The
body of that context is a task that no cancellation of the block reaches. A suspension is no failure, and
nothing can be recorded in a context that is over, so neither of them compensates anything.

The cancellation of a task does not give up the saga's steps that it awaits. ``asyncio.timeout(1)`` around
``gather(saga.step(hold), saga.step(charge))`` waits until both have ended, and both are undone: if they were
given up at once, a charge that went through would not be undone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple, overload

from msgspec import Struct

from durable_execution_sdk.errors import (
    CompensationError,
    ConfigError,
    InvocationError,
    OperationError,
    StepError,
)
from durable_execution_sdk.operations.child import Child, ChildConfig
from durable_execution_sdk.operations.lifecycle.argument_checks import (
    check_arguments,
    check_config,
    checked_name,
    counted,
    named_after,
)
from durable_execution_sdk.operations.step import StepConfig, step
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.runtime.completions.completion import operation_of
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import current_scope
from durable_execution_sdk.runtime.error_objects import capture, rebuild, shown
from durable_execution_sdk.serdes import SerDes, serdes_for_type

__all__ = ["Saga"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class Failure(Struct, frozen=True):
    """A compensation that failed, as the log holds it."""

    name: str | None
    error: ErrorObject


class Compensation(Struct, frozen=True):
    """A step that undoes an effect. ``undoes`` is the step whose result is its argument, if there is one."""

    function: Callable[..., object]
    args: tuple[Any, ...]
    name: str | None
    config: StepConfig | None
    undoes: Handle[object] | None = None

    @property
    def may_be_needed(self) -> bool:
        """False if the step that it undoes has failed or was cancelled."""
        done = self.undoes
        return done is None or not done.done() or not (done.cancelled() or done.exception())


class Saga:
    """Steps of a context with their compensations. ``ctx.saga()`` makes one, for ``async with``.

    If an exception or a cancellation leaves the block, the steps in it are undone: their compensations run
    as steps, one after the other, in the reverse order of the calls. Then the exception goes on. Steps that
    still run are waited for first, and undone if they succeed. A block that ends without an exception waits
    for them too, and if none of them fails, nothing is undone.

    A compensation that has no more retries does not stop the others. At the end, a ``CompensationError`` is
    raised, with the exception that left the block and those of the compensations. (A cancellation stays a
    ``CancelledError``, with a note for each.)

    A step that fails is not undone. If it may have had its effect all the same, call ``add_compensation``
    before the step, with a function that is safe to run in both cases.
    """

    def __init__(self, context_state: ContextState) -> None:
        self._context_state = context_state
        self._compensations: list[Compensation] = []
        self._is_open = False

    @overload
    def step(
        self,
        func: Callable[[*_Ts], Awaitable[_T]],
        *args: *_Ts,
        compensate: Callable[[_T], object],
        name: str | None = None,
        config: StepConfig | None = None,
        compensation_config: StepConfig | None = None,
    ) -> Handle[_T]: ...

    @overload
    def step(
        self,
        func: Callable[[*_Ts], _T],
        *args: *_Ts,
        compensate: Callable[[_T], object],
        name: str | None = None,
        config: StepConfig | None = None,
        compensation_config: StepConfig | None = None,
    ) -> Handle[_T]: ...

    def step(
        self,
        func: Callable[[*_Ts], Any],
        *args: *_Ts,
        compensate: Callable[[Any], object],
        name: str | None = None,
        config: StepConfig | None = None,
        compensation_config: StepConfig | None = None,
    ) -> Handle[Any]:
        """Run a step, as ``ctx.step`` does. If the saga fails later, ``compensate(result)`` undoes it.

        ``compensate`` is the function of a step too: sync or async, retried by the strategy of
        ``compensation_config``. Other arguments are bound with ``functools.partial``.
        """
        where = "saga.step(..., compensate=...)"
        self._check(compensate, where)
        check_arguments(where, compensate, 1, "the step's result")
        check_config("a compensation", compensation_config, StepConfig)
        chosen = checked_name(name, "step") or named_after(func)
        handle = step(current_scope(self._context_state), func, args, chosen, config)
        operation_of(handle).is_kept = True  # the saga itself waits for it, to undo it
        undo = Compensation(compensate, (), named_after(compensate), compensation_config, handle)
        self._compensations.append(undo)
        return handle

    def add_compensation(
        self,
        func: Callable[[*_Ts], object],
        *args: *_Ts,
        name: str | None = None,
        config: StepConfig | None = None,
    ) -> None:
        """Add a compensation: if the saga fails from now on, ``func(*args)`` runs as a step."""
        self._check(func, "saga.add_compensation")
        check_arguments("saga.add_compensation", func, len(args), counted(args))
        check_config("a compensation", config, StepConfig)
        chosen = checked_name(name, "compensation") or named_after(func)
        self._compensations.append(Compensation(func, args, chosen, config))

    async def __aenter__(self) -> Self:
        """Open the saga."""
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Run the compensations, if the block failed."""
        self._is_open = False
        late = None if error else await self._failure_of_stragglers()
        failure = error or late
        if failure is None or self._context_state.is_over or not _is_failure(failure):
            return
        needed = [undo for undo in self._compensations if undo.may_be_needed]
        if needed:
            _report(failure, await self._compensate(needed))
        if late is not None:
            raise late

    async def _failure_of_stragglers(self) -> BaseException | None:
        """Wait for the steps that the block has left running, and return the failure of one, if any."""
        steps = [undo.undoes for undo in self._compensations if undo.undoes is not None]
        try:
            for running in [unfinished for unfinished in steps if not unfinished.done()]:
                await running
        except (Exception, asyncio.CancelledError) as failure:
            if self._context_state.is_over:
                raise
            return failure
        return None

    async def _compensate(self, needed: list[Compensation]) -> list[Failure]:
        """Run the compensations to their end, also if the task is cancelled meanwhile."""
        context: Child[list[Failure]] = Child(
            current_scope(self._context_state),
            lambda context_state: _undo(context_state, needed),
            "compensations",
            ChildConfig(),
            _FAILURES,
        )
        context.is_kept = True
        undoing = context.handle
        cancellation: asyncio.CancelledError | None = None
        while True:
            try:
                failures = await undoing
            except asyncio.CancelledError as error:
                if self._context_state.is_over or undoing.cancelled():
                    raise
                cancellation = error
            else:
                break
        if cancellation is not None:
            _report(cancellation, failures)
            raise cancellation
        return failures

    def _check(self, function: object, where: str) -> None:
        if not callable(function):
            raise ConfigError(f"{where} takes a function, not {function!r}; did you call it?")
        if not self._is_open:
            raise ConfigError(
                f"{where} was called outside its block: use it within 'async with ctx.saga() as saga'"
            )


_FAILURES: SerDes[list[Failure]] = serdes_for_type(list[Failure])


async def _undo(context_state: ContextState, needed: list[Compensation]) -> list[Failure]:
    """Run the compensations, the last one first."""
    running = [undo.undoes for undo in needed if undo.undoes is not None and not undo.undoes.done()]
    if running:
        await asyncio.wait(running)
    failures: list[Failure] = []
    for undo in reversed(needed):
        if not undo.may_be_needed:
            continue
        args = undo.args if undo.undoes is None else (undo.undoes.result(),)
        try:
            await step(current_scope(context_state), undo.function, args, undo.name, undo.config)
        except StepError as error:
            failures.append(Failure(undo.name, capture(error)))
    return failures


def _is_failure(error: BaseException) -> bool:
    """Return ``True`` if the block has failed, and not just this invocation or the process."""
    if isinstance(error, InvocationError) and not isinstance(error, OperationError):
        return False
    return isinstance(error, (Exception, asyncio.CancelledError))


def _report(error: BaseException, failures: list[Failure]) -> None:
    """Report failed compensations: raise ``CompensationError``, or add notes to a cancellation."""
    if not failures:
        return
    errors = [
        rebuild(StepError, failure.error, operation_id=None, operation_name=failure.name)
        for failure in failures
    ]
    what = ", ".join(repr(failure.name) for failure in failures)
    message = f"the saga failed, and so did {len(failures)} of its compensations ({what})"
    if isinstance(error, Exception):
        raise CompensationError(f"{message}: {shown(error, str)}", [error, *errors]) from error
    for failed in errors:
        error.add_note(
            f"compensation {failed.operation_name!r} failed: {failed.error_type}: {failed}"
        )
