"""What workflow code holds: one thin method for each durable operation."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, TypeVarTuple, overload

from durable_execution_sdk import operations
from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.errors import ConfigError, ExecutionError
from durable_execution_sdk.operations.arity import check_arguments, check_context_function, counted
from durable_execution_sdk.operations.combining import Combinators
from durable_execution_sdk.operations.lifecycle import checked_name, named_after
from durable_execution_sdk.operations.step import Step, StepConfig, step
from durable_execution_sdk.runtime.delivery import Handle
from durable_execution_sdk.runtime.logger import ContextLogger
from durable_execution_sdk.runtime.scope import Frame

if TYPE_CHECKING:
    import random
    import uuid

__all__ = ["DurableContext"]

_T = TypeVar("_T")
_I = TypeVar("_I")
_Ts = TypeVarTuple("_Ts")


class DurableContext(Combinators):
    """The durable operations of a workflow, and what it may know about its execution.

    Every operation returns a handle that is already under way: await it, or start several and
    ``asyncio.gather`` them. Its id is claimed in the call, so the order of the calls must be the same
    on every replay; what the calls return is recorded, and replay returns it again without running
    anything. Positional arguments go to the function; options are keywords; for keyword arguments of
    the function use ``functools.partial``.

    Every operation raises ``ContextMisuseError`` where this context does not belong (in a step, or in
    the function of a child context, which has its own), and ``DeterminismError``, which fails the
    execution, when the log holds another operation at this place.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._logger: ContextLogger | None = None

    # Steps.

    @overload
    def step(
        self,
        func: Callable[[*_Ts], Awaitable[_T]],
        *args: *_Ts,
        name: str | None = None,
        config: StepConfig | None = None,
    ) -> Step[_T]: ...

    @overload
    def step(
        self,
        func: Callable[[*_Ts], _T],
        *args: *_Ts,
        name: str | None = None,
        config: StepConfig | None = None,
    ) -> Step[_T]: ...

    def step(
        self,
        func: Callable[[*_Ts], Any],
        *args: *_Ts,
        name: str | None = None,
        config: StepConfig | None = None,
    ) -> Step[Any]:
        """Run a function once and record its result; replay returns the record.

        ``func`` is ``async def``, or plain ``def``, which runs in a worker thread. It runs at least
        once per attempt, or at most once (``StepConfig.semantics``); a failed attempt is retried as
        the strategy says (6 attempts in all by default), and while a retry is due later nothing runs.
        The result is written as JSON (at most 1 MiB) and read back, so the first run sees what replay
        will see. ``name`` is the function's name by default.

        Raises:
            StepError: the strategy gave up; also an instance of what the function raised.
            SerDesError, PayloadSizeError: within the ``StepError``, when the result is not JSON or
                too large; neither is retried.
        """
        if type(func) is not FunctionType:
            _function(func, "ctx.step")
        if name is not None:
            name = checked_name(name, "step")
        return step(self._frame.scope(), func, args, name, config)

    # Time.

    def wait(self, duration: DurationLike, name: str | None = None) -> operations.wait.Wait:
        """Wait from 1 second to 366 days; nothing runs meanwhile.

        ``.cancel()`` on the handle ends the wait early, and is recorded.

        Raises:
            ConfigError: the duration is out of range; nothing was recorded.
        """
        return operations.wait.wait(self._frame.scope(), duration, checked_name(name, "wait"))

    def wait_until(self, moment: datetime, name: str | None = None) -> operations.wait.Wait:
        """Wait until a moment (with a time zone), at most 366 days ahead; as ``wait`` otherwise."""
        return operations.wait.wait_until(self._frame.scope(), moment, checked_name(name, "wait"))

    def wait_for_condition(
        self,
        check: Callable[[_T], Awaitable[_T]] | Callable[[_T], _T],
        config: operations.wait_for_condition.WaitForConditionConfig[_T],
        name: str | None = None,
    ) -> operations.wait_for_condition.WaitForCondition[_T]:
        """Call ``check(state) -> state`` until the wait strategy says stop; the last state comes back.

        Each check is recorded with its state; between two checks nothing runs. Replay returns the
        final state.

        Raises:
            WaitForConditionError: the check raised, or the strategy ran out of attempts.
        """
        if not isinstance(config, operations.wait_for_condition.WaitForConditionConfig):
            raise ConfigError(
                "ctx.wait_for_condition needs config=WaitForConditionConfig(initial_state=...,"
                f" wait_strategy=...), not {config!r}"
            )
        function = _function(check, "ctx.wait_for_condition")
        check_arguments("ctx.wait_for_condition", function, 1, "the state")
        chosen = checked_name(name, "wait_for_condition") or named_after(function)
        return operations.wait_for_condition.wait_for_condition(
            self._frame.scope(), check, chosen, config
        )

    # The world outside.

    @overload
    def create_callback(
        self, name: str | None = None, *, config: operations.callback.CallbackConfig[_T]
    ) -> operations.callback.Creation[_T]: ...

    @overload
    def create_callback(
        self, name: str | None = None, *, config: None = None
    ) -> operations.callback.Creation[Any]: ...

    def create_callback(
        self,
        name: str | None = None,
        *,
        config: operations.callback.CallbackConfig[Any] | None = None,
    ) -> operations.callback.Creation[Any]:
        """Create a callback: await this for the callback, and the callback for its result.

        ``callback.callback_id`` is the same on every replay. Hand it out in a step, or use
        ``wait_for_callback``, which does.

        Raises (from ``await callback``):
            CallbackTimeoutError: nobody answered in time, or no heartbeat came.
            CallbackExternalError: the answer was a failure.
        """
        return operations.callback.create_callback(
            self._frame.scope(), checked_name(name, "callback"), config
        )

    @overload
    def wait_for_callback(
        self,
        submitter: Callable[[str, *_Ts], object],
        *args: *_Ts,
        name: str | None = None,
        config: operations.wait_for_callback.WaitForCallbackConfig[_T],
    ) -> Handle[_T]: ...

    @overload
    def wait_for_callback(
        self,
        submitter: Callable[[str, *_Ts], object],
        *args: *_Ts,
        name: str | None = None,
        config: None = None,
    ) -> Handle[Any]: ...

    def wait_for_callback(
        self,
        submitter: Callable[[str, *_Ts], object],
        *args: *_Ts,
        name: str | None = None,
        config: operations.wait_for_callback.WaitForCallbackConfig[Any] | None = None,
    ) -> Handle[Any]:
        """Create a callback, call ``submitter(callback_id, *args)`` in a step, wait for the answer.

        Raises:
            CallbackSubmitterError: the submitter failed for good; also an instance of what it raised.
            CallbackTimeoutError, CallbackExternalError: as for ``create_callback``.
        """
        function = _function(submitter, "ctx.wait_for_callback")
        told = f"the callback's id{_and(args)}"
        check_arguments("ctx.wait_for_callback", function, 1 + len(args), told)
        chosen = checked_name(name, "wait_for_callback")
        return operations.wait_for_callback.wait_for_callback(
            self._frame.scope(), function, args, chosen, config
        )

    @overload
    def invoke(
        self,
        function_name: str,
        payload: object = None,
        *,
        name: str | None = None,
        config: operations.invoke.InvokeConfig[_T],
    ) -> operations.invoke.Invoke[_T]: ...

    @overload
    def invoke(
        self,
        function_name: str,
        payload: object = None,
        *,
        name: str | None = None,
        config: None = None,
    ) -> operations.invoke.Invoke[Any]: ...

    def invoke(
        self,
        function_name: str,
        payload: object = None,
        *,
        name: str | None = None,
        config: operations.invoke.InvokeConfig[Any] | None = None,
    ) -> operations.invoke.Invoke[Any]:
        """Invoke another function, durable or plain, and wait for its result; nothing runs meanwhile.

        ``function_name`` is a name or ARN; a durable function needs its version or alias too. Payload
        and result are JSON of at most 1 MiB each. It is invoked once, and never again on replay.

        Raises:
            InvokeError: it failed, timed out, was stopped, or could not be started.
        """
        return operations.invoke.invoke(
            self._frame.scope(), function_name, payload, checked_name(name, "invoke"), config
        )

    # Contexts.

    def run_in_child_context(
        self,
        func: Callable[[DurableContext, *_Ts], Awaitable[_T]],
        *args: *_Ts,
        name: str | None = None,
        config: operations.child.ChildConfig | None = None,
    ) -> Handle[_T]:
        """Run ``func(child_context, *args)`` as a group of operations with a result of its own.

        Replay returns the recorded result without running the function, unless the result is above
        262,144 bytes: then the function runs again over its recorded operations.

        Raises:
            ChildContextError: the function raised; also an instance of what it raised.
        """
        function = _function(func, "ctx.run_in_child_context")
        told = f"its context{_and(args)}"
        check_context_function("ctx.run_in_child_context", function, 1 + len(args), told)
        chosen = checked_name(name, "child context") or named_after(function)
        settings = self._frame.workflow.settings

        def body(frame: Frame) -> Awaitable[Any]:
            return _run(func, frame, *args)

        return operations.child.run_in_child_context(
            self._frame.scope(), body, chosen, config, settings.serdes_for(func)
        )

    @overload
    def map(
        self,
        items: Iterable[_I] | AsyncIterable[_I],
        func: Callable[[DurableContext, _I, int], Awaitable[_T]],
        name: str | None = None,
        config: operations.map.MapConfig | None = None,
    ) -> Handle[operations.batch.BatchResult[_T]]: ...

    @overload
    def map(
        self,
        items: Iterable[_I] | AsyncIterable[_I],
        func: Callable[[DurableContext, list[_I], int], Awaitable[Sequence[_T]]],
        name: str | None = None,
        config: operations.map.MapConfig | None = None,
    ) -> Handle[operations.batch.BatchResult[_T]]: ...

    def map(
        self,
        items: Any,
        func: Callable[[DurableContext, Any, int], Awaitable[Any]],
        name: str | None = None,
        config: operations.map.MapConfig | None = None,
    ) -> Handle[operations.batch.BatchResult[Any]]:
        """Run ``func(child_context, item, index)`` for each item, and collect what comes of them.

        Items start in order, as many at a time as ``max_concurrency`` allows, and may come from any
        iterable, an asynchronous one too, which is asked for an item when one can start. It must give
        the same items, in the same order, on every replay. With an ``item_batcher``, ``func`` gets a
        list of items and the index of that list, and returns a list with one result for each.

        The map itself does not fail when items do: see ``BatchResult``, or call its
        ``throw_if_error()``. By default it ends at the first failure; ``MapConfig.completion`` says
        otherwise. What still runs when it ends is cancelled.

        Raises:
            ConfigError: the items are not iterable, in no order, or fewer than must succeed.
        """
        function = _function(func, "ctx.map")
        check_context_function("ctx.map", function, 3, "(ctx, item, index)")
        chosen = checked_name(name, "map") or named_after(function)

        def call(frame: Frame, item: Any, index: int) -> Awaitable[Any]:
            return _run(func, frame, item, index)

        serdes = self._frame.workflow.settings.serdes_for(function)
        return operations.map.map_items(self._frame.scope(), items, call, chosen, config, serdes)

    def parallel(
        self,
        branches: Sequence[Callable[[DurableContext], Awaitable[_T]]]
        | Mapping[str, Callable[[DurableContext], Awaitable[_T]]],
        name: str | None = None,
        config: operations.parallel.ParallelConfig | None = None,
    ) -> Handle[operations.batch.BatchResult[_T]]:
        """Run functions side by side, ``branch(child_context)`` each, and collect what comes of them.

        A mapping names its branches; else they are ``parallel-branch-0`` and so on. As for ``map``, the
        first failure ends it unless ``ParallelConfig.completion`` says otherwise, and the operation
        itself does not fail.

        Raises:
            ConfigError: something is no function, or fewer branches than must succeed.
        """

        def call(
            frame: Frame, branch: Callable[..., Awaitable[Any]], _index: int
        ) -> Awaitable[Any]:
            return _run(branch, frame)

        chosen = checked_name(name, "parallel")
        return operations.parallel.parallel(self._frame.scope(), branches, call, chosen, config)

    def with_retry(
        self,
        func: Callable[[DurableContext, *_Ts], Awaitable[_T]],
        *args: *_Ts,
        name: str | None = None,
        config: operations.with_retry.WithRetryConfig | None = None,
    ) -> Handle[_T]:
        """Run ``func(child_context, *args)``, and run it again as a whole when it raises.

        Each attempt is a child context of its own, so the steps of a failed attempt run again in the
        next one. Delays are waits: nothing runs meanwhile. An attempt that is cut off goes on; it is
        not counted twice.

        Raises:
            ChildContextError: the strategy gave up; also an instance of what the function raised.
        """
        function = _function(func, "ctx.with_retry")
        told = f"its context{_and(args)}"
        check_context_function("ctx.with_retry", function, 1 + len(args), told)
        chosen = checked_name(name, "block") or named_after(function)
        serdes = self._frame.workflow.settings.serdes_for(func)

        def attempt(frame: Frame) -> Awaitable[Any]:
            return _run(func, frame, *args)

        return operations.with_retry.with_retry(
            self._frame.scope(), attempt, chosen, config, serdes
        )

    def saga(self) -> operations.saga.Saga:
        """``async with ctx.saga() as saga``: steps that are undone when a later one fails.

        ``saga.step(book, trip, compensate=cancel)`` runs a step; if the block is left by an exception,
        ``cancel(result)`` runs as a step, in reverse order, and the exception goes on. See ``Saga``.
        """
        return operations.saga.Saga(self._frame)

    # The execution.

    @property
    def execution_arn(self) -> str:
        """The ARN of this execution."""
        return self._frame.workflow.invoked.arn

    @property
    def is_replaying(self) -> bool:
        """Whether the code that runs now ran in an earlier invocation already."""
        return self._frame.is_replaying

    @property
    def lambda_context(self) -> Any:
        """The context object that Lambda's runtime gave the handler; another in each invocation."""
        return self._frame.workflow.invoked.lambda_context

    @property
    def original_input(self) -> str | None:
        """The payload that the execution was started with, as JSON text."""
        execution = self._frame.workflow.journal.execution
        details = execution.execution_details if execution else None
        return details.input_payload if details else None

    @property
    def started_at(self) -> int:
        """When the execution started, in milliseconds since the epoch."""
        execution = self._frame.workflow.journal.execution
        return int((execution and execution.start_timestamp) or 0)

    def complete_execution_success(self, result: object = None) -> Awaitable[NoReturn]:
        """End the execution now, as SUCCEEDED with this result (JSON, at most 6 MiB).

        Like every operation it begins at the call: nothing of the workflow begins after it. The code
        after it runs as far as its next ``await``, so await it: then none of it does.
        """
        return self._complete(result, None)

    def complete_execution_failure(self, error: BaseException | str) -> Awaitable[NoReturn]:
        """End the execution now, as FAILED with this error.

        Like every operation it begins at the call: nothing of the workflow begins after it. The code
        after it runs as far as its next ``await``, so await it: then none of it does.
        """
        return self._complete(None, ExecutionError(error) if isinstance(error, str) else error)

    # What replay gives again.

    def now(self) -> datetime:
        """The time, as the log has it: when the operation that completed last did, in UTC.

        The same on every replay. It stands still while code runs between two operations.
        """
        return _datetime(self._frame.now)

    def uuid4(self) -> uuid.UUID:
        """A UUID that is the same on every replay and different in every execution."""
        return self._frame.scope().uuid4()

    def random(self) -> random.Random:
        """A random number generator that gives the same numbers on every replay."""
        return self._frame.scope().random()

    # Logging.

    @property
    def logger(self) -> ContextLogger:
        """A standard logger adapter that is silent while this context is replayed."""
        if self._logger is None:
            self._logger = ContextLogger(self._frame)
        return self._logger

    def log_debug(self, message: str, **fields: object) -> None:
        """Log a line with fields, unless it is replayed."""
        self.logger.debug(message, extra=fields, stacklevel=2)

    def log_info(self, message: str, **fields: object) -> None:
        """Log a line with fields, unless it is replayed."""
        self.logger.info(message, extra=fields, stacklevel=2)

    def log_warn(self, message: str, **fields: object) -> None:
        """Log a line with fields, unless it is replayed."""
        self.logger.warning(message, extra=fields, stacklevel=2)

    def log_error(self, message: str, **fields: object) -> None:
        """Log a line with fields, unless it is replayed."""
        self.logger.error(message, extra=fields, stacklevel=2)

    def _complete(self, result: object, error: BaseException | None) -> Awaitable[NoReturn]:
        return operations.execution.complete_execution(self._frame.scope(), result, error)


def _datetime(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _run(func: Callable[..., Awaitable[Any]], frame: Frame, *args: Any) -> Awaitable[Any]:
    """Run the function of a context, through the middleware if there is any."""
    ctx = DurableContext(frame)
    middleware = frame.workflow.settings.middleware
    if middleware is None:
        return _call(func, frame, ctx, *args)
    return middleware.context(frame, partial(_call, func, frame, ctx, *args))


def _call(func: Callable[..., Any], frame: Frame, *args: Any) -> Awaitable[Any]:
    """Call an async function; a plain one is no function for a context, and fails the execution."""
    running: object = func(*args)
    if inspect.isawaitable(running):
        return running
    name = getattr(func, "__qualname__", type(func).__qualname__)
    error = ConfigError(
        f"a context takes an async function (async def), and {name} returned an object of type"
        f" {type(running).__name__}, which cannot be awaited; a plain function runs as a step: await"
        " ctx.step(function)"
    )
    # A map would tolerate the failure of its items, and have no results.
    frame.workflow.fail(error)
    raise error


def _and(args: tuple[object, ...]) -> str:
    """The arguments that follow the operation's own, for messages."""
    return f" and {counted(args)}" if args else ""


def _function(function: Any, operation: str) -> Callable[..., Any]:
    if callable(function):
        return function  # type: ignore[no-any-return]
    if asyncio.iscoroutine(function):
        function.close()
    raise ConfigError(
        f"{operation} takes a function and its arguments, as in {operation}(function, a, b), not"
        f" {function!r}; did you call the function?"
    )
