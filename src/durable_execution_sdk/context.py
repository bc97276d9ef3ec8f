"""The durable context that workflow code gets, with one thin method for each operation.

The module is long because each operation has one documented method here; nearly all of it is docstrings.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, TypeVarTuple, overload

from durable_execution_sdk import operations
from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.errors import ConfigError, ContextMisuseError, ExecutionError
from durable_execution_sdk.operations.combinators import Combinators
from durable_execution_sdk.operations.lifecycle.argument_checks import (
    check_arguments,
    check_context_function,
    checked_name,
    followed_by,
    named_after,
)
from durable_execution_sdk.operations.step import StepConfig, step
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import current_scope
from durable_execution_sdk.runtime.current import get_current
from durable_execution_sdk.runtime.logging import ContextLogger

if TYPE_CHECKING:
    import random
    import uuid

    from durable_execution_sdk.retry import RetryStrategy
    from durable_execution_sdk.runtime.contexts.budget import Budget

__all__ = ["DurableContext"]

_T = TypeVar("_T")
_I = TypeVar("_I")
_Ts = TypeVarTuple("_Ts")


class DurableContext(Combinators):
    """The durable operations of a workflow, and the data of its execution.

    Each operation returns a handle, a future of an operation that has started: await it, or start several
    and ``asyncio.gather`` them. Its id is claimed in the call, so the order of the calls must be the same on
    every replay. Its outcome is recorded, and replay returns the record without running anything.

    Positional arguments are passed to the function, and options are keywords. For keyword arguments of the
    function use ``functools.partial``.

    Each operation raises ``ContextMisuseError`` where this context does not belong: in a step, or in the
    function of a child context, which has its own. If the log holds another operation at this place, it
    raises ``DeterminismError``, and the execution fails.
    """

    def __init__(self, context_state: ContextState) -> None:
        self._context_state = context_state
        self._logger: ContextLogger | None = None

    @staticmethod
    def current() -> DurableContext:
        """Return the context of the code that runs: the innermost one of this task.

        It is for code that is called without the context, such as the tool of an agent: the handler's own context,
        or that of the child context, map item or branch whose function runs. It costs no operation.

        Raises:
            ContextMisuseError: in the body of a step, in a thread, or where no workflow runs; it names the cure.
        """
        runner: Any = get_current()
        context_state = getattr(getattr(runner, "scope", None), "context_state", None)
        if isinstance(context_state, ContextState):
            with suppress(ContextMisuseError):
                return DurableContext(current_scope(context_state).context_state)
        from durable_execution_sdk.runtime.contexts.misuse import no_context  # noqa: PLC0415 - only for errors

        raise no_context(runner)

    # Steps.

    @overload
    def step(
        self,
        func: Callable[[*_Ts], Awaitable[_T]],
        *args: *_Ts,
        name: str | None = None,
        config: StepConfig | None = None,
    ) -> Handle[_T]: ...

    @overload
    def step(
        self,
        func: Callable[[*_Ts], _T],
        *args: *_Ts,
        name: str | None = None,
        config: StepConfig | None = None,
    ) -> Handle[_T]: ...

    def step(
        self,
        func: Callable[[*_Ts], Any],
        *args: *_Ts,
        name: str | None = None,
        config: StepConfig | None = None,
    ) -> Handle[Any]:
        """Run a function and record its result; replay returns the recorded result without running it.

        ``func`` is ``async def``, or plain ``def``, which runs in a worker thread. Its parameters that are marked with
        ``Depends`` are given to it (docs/resources.md); ``args`` are the others. It runs at least once per attempt, or at most once (``StepConfig.semantics``). A failed attempt is retried by the strategy (6
        attempts in all by default); nothing runs and is billed until a retry is due, unless other code runs.
        The result is written as JSON of at most 1 MiB and read back, so the first run sees the same value as
        replay. ``name`` is the function's name by default. A step costs one operation.

        Raises:
            StepError: the strategy allows no more attempts; also an instance of the function's exception.
            SerDesError, PayloadSizeError: as the class of that ``StepError`` too, if the result is not JSON
                or too large; neither is retried.
        """
        if not callable(func):
            raise _not_a_function(func, "ctx.step")
        if name is not None:
            name = checked_name(name, "step")
        return step(current_scope(self._context_state), func, args, name, config)

    # Time.

    def wait(self, duration: DurationLike, name: str | None = None) -> Handle[None]:
        """Wait from 1 second to 366 days. The invocation suspends meanwhile, unless other code runs.

        ``.cancel()`` on the handle ends the wait early, and is recorded. A wait costs one operation.

        Raises:
            ConfigError: the duration is out of range; nothing was recorded.
        """
        return operations.wait.wait(
            current_scope(self._context_state), duration, checked_name(name, "wait")
        )

    def wait_until(self, moment: datetime, name: str | None = None) -> Handle[None]:
        """Wait until a moment, at most 366 days ahead; for one that has passed, one second.

        Raises:
            ConfigError: the moment has no time zone, or is too far ahead; nothing was recorded.
        """
        return operations.wait.wait_until(
            current_scope(self._context_state), moment, checked_name(name, "wait")
        )

    def wait_for_condition(
        self,
        check: Callable[[_T], Awaitable[_T]] | Callable[[_T], _T],
        config: operations.wait_for_condition.WaitForConditionConfig[_T],
        name: str | None = None,
    ) -> Handle[_T]:
        """Call ``check(state) -> state`` until the wait strategy stops, and return the last state.

        The state is recorded after each check. Between two checks the invocation suspends, unless other code
        runs. Replay returns the final state. All checks together cost one operation.

        Raises:
            WaitForConditionError: the check raised, or the strategy allows no more attempts;
                ``WaitForConditionTimeoutError`` if ``WaitForConditionConfig.timeout`` has passed.
            ConfigError: the config is missing, or the check does not take one argument.
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
            current_scope(self._context_state), check, chosen, config
        )

    # External systems and other functions.

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
        """Create a callback: await this for the callback, and then the callback for its result.

        ``callback.callback_id`` is the same on every replay. Pass it to the external system in a step, or use
        ``wait_for_callback``, which does both. A callback costs one operation.

        Raises (from ``await callback``):
            CallbackTimeoutError: no answer came within the timeout, or no heartbeat within its timeout.
            CallbackExternalError: the answer was a failure.
        """
        return operations.callback.create_callback(
            current_scope(self._context_state), checked_name(name, "callback"), config
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
        """Create a callback, call ``submitter(callback_id, *args)`` in a step, and wait for the answer.

        It costs three operations: a context, and the callback and the step in it.

        Raises:
            CallbackSubmitterError: the submitter has no more attempts; also an instance of its exception.
            CallbackTimeoutError, CallbackExternalError: as for ``create_callback``.
        """
        function = _function(submitter, "ctx.wait_for_callback")
        arguments = followed_by("the callback's id", args)
        check_arguments("ctx.wait_for_callback", function, 1 + len(args), arguments)
        chosen = checked_name(name, "wait_for_callback")
        return operations.wait_for_callback.wait_for_callback(
            current_scope(self._context_state), function, args, chosen, config
        )

    @overload
    def invoke(
        self,
        function_name: str,
        payload: object = None,
        *,
        name: str | None = None,
        config: operations.invoke.InvokeConfig[_T],
    ) -> Handle[_T]: ...

    @overload
    def invoke(
        self,
        function_name: str,
        payload: object = None,
        *,
        name: str | None = None,
        config: None = None,
    ) -> Handle[Any]: ...

    def invoke(
        self,
        function_name: str,
        payload: object = None,
        *,
        name: str | None = None,
        config: operations.invoke.InvokeConfig[Any] | None = None,
    ) -> Handle[Any]:
        """Invoke another function, durable or plain, and wait for its result.

        ``function_name`` is a name or ARN; a durable function needs its version or alias too. Payload and
        result are JSON of at most 1 MiB each. The function is invoked once, and not again on replay. The
        invocation suspends meanwhile, unless other code runs. An invoke costs one operation.

        Raises:
            InvokeError: the function failed, timed out, was stopped, or could not be started;
                ``InvokeTimeoutError`` if ``InvokeConfig.timeout`` has passed: the function goes on then.
        """
        return operations.invoke.invoke(
            current_scope(self._context_state),
            function_name,
            payload,
            checked_name(name, "invoke"),
            config,
        )

    # Messages.

    @overload
    def inbox(
        self, name: str, type_: type[_T], /, *, window: int = ...
    ) -> operations.inbox.Inbox[_T]: ...

    @overload
    def inbox(
        self, name: str, type_: object = ..., /, *, window: int = ...
    ) -> operations.inbox.Inbox[Any]: ...

    def inbox(
        self, name: str, type_: Any = Any, /, *, window: int = 4
    ) -> operations.inbox.Inbox[Any]:
        """Open an inbox, to which ``client.send(execution, name, value)`` sends messages from outside.

        ``async for message in inbox`` takes them in the order in which they were accepted, each once, decoded to
        ``type_``; without a type they are plain JSON data. ``window`` messages may lie there until they are taken,
        also while no invocation runs. A second call with this name returns the same inbox. It costs ``window``
        operations, and one for each message. It belongs to the handler's own context.

        Raises:
            ConfigError: the name, the type or the window cannot be, or the inbox was opened with others.
        """
        return operations.inbox.inbox(current_scope(self._context_state), name, type_, window)

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
        262,144 bytes: then the function runs again over its recorded operations. It costs one operation
        besides those in it; none with ``ChildConfig(virtual=True)``.

        Raises:
            ChildContextError: the function raised; also an instance of its exception.
                ``ChildContextTimeoutError`` if ``ChildConfig.timeout`` has passed.
        """
        function = _function(func, "ctx.run_in_child_context")
        run = self._context_state.run
        defaults = operations.context_functions.defaults_of(
            "ctx.run_in_child_context", function, args, run
        )
        if name is not None:
            name = checked_name(name, "child context")

        def body(context_state: ContextState) -> Awaitable[Any]:
            return _run(func, context_state, *args)

        return operations.child.run_in_child_context(
            current_scope(self._context_state),
            body,
            name or defaults.name,
            config,
            defaults.serdes,
        )

    @overload
    def map(
        self,
        items: Iterable[_I] | AsyncIterable[_I],
        func: Callable[[DurableContext, _I, int], Awaitable[_T]],
        name: str | None = None,
        config: operations.map.MapConfig | None = None,
    ) -> Handle[operations.batch_result.BatchResult[_T]]: ...

    @overload
    def map(
        self,
        items: Iterable[_I] | AsyncIterable[_I],
        func: Callable[[DurableContext, list[_I], int], Awaitable[Sequence[_T]]],
        name: str | None = None,
        config: operations.map.MapConfig | None = None,
    ) -> Handle[operations.batch_result.BatchResult[_T]]: ...

    def map(
        self,
        items: Any,
        func: Callable[[DurableContext, Any, int], Awaitable[Any]],
        name: str | None = None,
        config: operations.map.MapConfig | None = None,
    ) -> Handle[operations.batch_result.BatchResult[Any]]:
        """Run ``func(child_context, item, index)`` for each item, and return a ``BatchResult``.

        Items start in order, as many at a time as ``max_concurrency`` allows. They come from an iterable or an
        asynchronous iterable, which is asked for an item when one can start, and which must yield the same
        items in the same order on every replay. With an ``item_batcher``, ``func`` gets a list of items and the
        index of that list, and returns a list with one result for each.

        The map does not fail when items do: read the ``BatchResult``, or call its ``throw_if_error()``. It
        ends at the first failure, unless ``MapConfig.completion`` has another rule. Items that still run then
        are cancelled. It costs one operation, and one for each item unless ``nesting`` is ``FLAT``.

        Raises:
            ConfigError: the items are not iterable, have no order, or are fewer than have to succeed.
        """
        function = _function(func, "ctx.map")
        check_context_function("ctx.map", function, 3, "(ctx, item, index)")
        chosen = checked_name(name, "map") or named_after(function)

        def call(context_state: ContextState, item: Any, index: int) -> Awaitable[Any]:
            return _run(func, context_state, item, index)

        serdes = self._context_state.run.settings.serdes_for(function)
        return operations.map.map_items(
            current_scope(self._context_state), items, call, chosen, config, serdes
        )

    def parallel(
        self,
        branches: Sequence[Callable[[DurableContext], Awaitable[_T]]]
        | Mapping[str, Callable[[DurableContext], Awaitable[_T]]],
        name: str | None = None,
        config: operations.parallel.ParallelConfig | None = None,
    ) -> Handle[operations.batch_result.BatchResult[_T]]:
        """Run functions concurrently, each as ``branch(child_context)``, and return a ``BatchResult``.

        A mapping names its branches; otherwise they are ``parallel-branch-0`` and so on. As for ``map``, the
        first failure ends it unless ``ParallelConfig.completion`` has another rule, and the operation itself
        does not fail. It costs one operation, and one for each branch unless ``nesting`` is ``FLAT``.

        Raises:
            ConfigError: a branch is not a function, or there are fewer than have to succeed.
        """

        def call(
            context_state: ContextState, branch: Callable[..., Awaitable[Any]], _index: int
        ) -> Awaitable[Any]:
            return _run(branch, context_state)

        chosen = checked_name(name, "parallel")
        return operations.parallel.parallel(
            current_scope(self._context_state), branches, call, chosen, config
        )

    def with_retry(
        self,
        func: Callable[[DurableContext, *_Ts], Awaitable[_T]],
        *args: *_Ts,
        name: str | None = None,
        config: operations.with_retry.WithRetryConfig | None = None,
    ) -> Handle[_T]:
        """Run ``func(child_context, *args)``, and run it again as a whole when it raises.

        Each attempt is a child context of its own, so the steps of a failed attempt run again in the next
        one. The delays are waits. An attempt that is cut off by the end of an invocation goes on in the next,
        and counts once. It costs one operation, one for each attempt and one for each delay.

        Raises:
            ChildContextError: the strategy allows no more attempts; also an instance of the last exception.
        """
        function = _function(func, "ctx.with_retry")
        run = self._context_state.run
        defaults = operations.context_functions.defaults_of("ctx.with_retry", function, args, run)
        chosen = checked_name(name, "block") or defaults.name

        def attempt(context_state: ContextState) -> Awaitable[Any]:
            return _run(func, context_state, *args)

        return operations.with_retry.with_retry(
            current_scope(self._context_state), attempt, chosen, config, defaults.serdes
        )

    def saga(self) -> operations.saga.Saga:
        """Make a saga for ``async with ctx.saga() as saga``: its steps are undone when a later one fails.

        ``saga.step(book, trip, compensate=cancel)`` runs a step. If an exception leaves the block,
        ``cancel(result)`` runs as a step, in the reverse order of the steps, and the exception goes on. See
        ``Saga``.
        """
        return operations.saga.Saga(self._context_state)

    # Changed code.

    def patched(self, patch_id: str, *, each_time: bool = False) -> bool:
        """Return ``True`` if code that was added under this id may run in this execution.

        ``if ctx.patched("id"): new code, else: old code`` keeps executions open that began before the change.
        The answer is ``True`` in executions that have not come further than this place, and ``False`` in those
        that are past it. It is one answer for an execution and an id, wherever the code asks; ``True`` is
        recorded with the next call, and costs one operation. Remove the old code once no execution is open that
        took it, and then the call.

        ``each_time``: each call has an answer and a record of its own. Use it in loops, where an execution that
        began before the change is to go over to the new code with the next round.

        Raises:
            ConfigError: the id is not 1 to 250 printable ASCII characters.
        """
        return operations.patched.patched(
            current_scope(self._context_state), patch_id, each_time=each_time
        )

    # The status, for readers outside.

    def set_status(self, value: object, *, every: DurationLike | None = None) -> None:
        """Set the status of the execution: any value that is JSON of at most 4,000 bytes, for readers outside.

        The client (``handle.custom_status()``), ``durable show``, ``durable list`` and the page show the last one. It
        is recorded with the next checkpoint call of any operation, and makes no call of its own unless none follows
        within 0.2 s, or before the invocation ends. If several are set before a call leaves, the last one is
        recorded. Each that is recorded costs one operation; the value that is set already costs nothing. With
        ``every``, at most one is recorded in that time, measured by the log; the last value is recorded with a later
        call, or at the end of the invocation. Replay records nothing again.

        Raises:
            ConfigError: the value is larger than 4,000 bytes as JSON.
            SerDesError: the value is not JSON.
        """
        operations.status.set_status(current_scope(self._context_state), value, every)

    def progress(
        self,
        done: float,
        total: float | None = None,
        *,
        label: str | None = None,
        every: DurationLike | None = None,
    ) -> None:
        """Set the status ``{"done": done, "total": total}``, which readers show as a bar with its percentage.

        ``label`` says of what; without ``total`` only ``done`` is shown. It costs what ``set_status`` does: in a loop,
        give it an ``every``.

        Raises:
            ConfigError: ``done`` or ``total`` is no number of 0 or more.
        """
        scope = current_scope(self._context_state)
        value = operations.status.progress_value(done, total, label)
        operations.status.set_status(scope, value, every, "ctx.progress")

    # The execution.

    @property
    def budget(self) -> Budget:
        """The operations, bytes and time that the execution has used and has left, at this place of the code.

        It is the same on every replay: it counts what the log has shown to the code of this context and those around
        it so far. Reading it costs nothing. See ``Budget``, and ``durable_execution(limits=...)`` for other quotas.
        """
        from durable_execution_sdk.runtime.contexts.budget import budget_of  # noqa: PLC0415 - rarely needed

        return budget_of(current_scope(self._context_state))

    @property
    def execution_arn(self) -> str:
        """The ARN of this execution."""
        return self._context_state.run.invoked.arn

    @property
    def is_replaying(self) -> bool:
        """True if the code that runs now ran in an earlier invocation, as far as the log can tell."""
        return self._context_state.is_replaying

    @property
    def lambda_context(self) -> Any:
        """The context object of Lambda's runtime; a new one in each invocation."""
        return self._context_state.run.invoked.lambda_context

    @property
    def original_input(self) -> str | None:
        """The input of the execution, as JSON text."""
        execution = self._context_state.run.journal.execution
        details = execution.execution_details if execution else None
        return details.input_payload if details else None

    @property
    def started_at(self) -> int:
        """The start of the execution, in milliseconds since the epoch."""
        execution = self._context_state.run.journal.execution
        return int((execution and execution.start_timestamp) or 0)

    async def continue_as_new(
        self,
        event: object,
        *,
        qualifier: str | None = None,
        retry_strategy: RetryStrategy | None = None,
    ) -> NoReturn:
        """End the execution, and go on as a new one of this function, with this event and an empty log.

        The event is recorded, the next execution is started once, however often the process dies, and this one ends
        with a pointer to it as its result, which clients follow. No code after it runs, and other operations are left
        as at the handler's return. It is for the handler's own context. It costs two operations, and
        one call of ``Invoke``, for which the function's role needs ``lambda:InvokeFunction``.

        Args:
            event: the input of the next execution, as the handler takes it; at most 1 MiB of JSON.
            qualifier: the version or alias that runs the next execution; by default the version of this one. An
                alias, as in ``qualifier="live"``, moves the next execution to new code.
            retry_strategy: the retries of the start; the handler's default by default.

        Raises:
            ContinueAsNewError: the next execution could not be started, and the strategy allows no more attempts.
            ContextMisuseError: it was called in a child context.
            SerDesError, PayloadSizeError: the event does not fit the handler, or is too large; nothing was recorded.
        """
        await operations.continue_as_new.continue_as_new(
            current_scope(self._context_state), event, qualifier, retry_strategy
        )

    def complete_execution_success(self, result: object = None) -> Awaitable[NoReturn]:
        """End the execution now, as SUCCEEDED with this result (JSON of at most 6 MiB).

        It takes effect in the call: no operation starts after it. The code after it still runs to its next
        ``await``; await the call itself, so that none does.

        Raises:
            PayloadSizeError: the result is too large; nothing was recorded.
        """
        return self._complete(result, None)

    def complete_execution_failure(self, error: BaseException | str) -> Awaitable[NoReturn]:
        """End the execution now, as FAILED with this error.

        It takes effect in the call: no operation starts after it. The code after it still runs to its next
        ``await``; await the call itself, so that none does.
        """
        return self._complete(None, ExecutionError(error) if isinstance(error, str) else error)

    # Replay-safe time and random values.

    def now(self) -> datetime:
        """Return the log's time in UTC: the end of the operation that completed last.

        It is the same on every replay, and stands still while code runs between two operations.
        """
        return _datetime(self._context_state.now)

    def uuid4(self) -> uuid.UUID:
        """Return a random UUID that is the same on every replay and different in every execution."""
        return current_scope(self._context_state).uuid4()

    def random(self) -> random.Random:
        """Return a random number generator that yields the same numbers on every replay."""
        return current_scope(self._context_state).random()

    # Logging.

    @property
    def logger(self) -> ContextLogger:
        """A standard logger adapter that is silent while this context is replayed."""
        if self._logger is None:
            self._logger = ContextLogger(self._context_state)
        return self._logger

    def log_debug(
        self, message: str, *, exc_info: bool | BaseException | None = None, **fields: object
    ) -> None:
        """Log a line with fields, unless it is replayed; ``exc_info`` as in ``logging``."""
        self.logger.debug(message, exc_info=exc_info, extra=fields, stacklevel=2)

    def log_info(
        self, message: str, *, exc_info: bool | BaseException | None = None, **fields: object
    ) -> None:
        """Log a line with fields, unless it is replayed; ``exc_info`` as in ``logging``."""
        self.logger.info(message, exc_info=exc_info, extra=fields, stacklevel=2)

    def log_warn(
        self, message: str, *, exc_info: bool | BaseException | None = None, **fields: object
    ) -> None:
        """Log a line with fields, unless it is replayed; ``exc_info`` as in ``logging``."""
        self.logger.warning(message, exc_info=exc_info, extra=fields, stacklevel=2)

    def log_error(
        self, message: str, *, exc_info: bool | BaseException | None = None, **fields: object
    ) -> None:
        """Log a line with fields, unless it is replayed; ``exc_info`` as in ``logging``."""
        self.logger.error(message, exc_info=exc_info, extra=fields, stacklevel=2)

    def _complete(self, result: object, error: BaseException | None) -> Awaitable[NoReturn]:
        return operations.complete_execution.complete_execution(
            current_scope(self._context_state), result, error
        )


def _datetime(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _run(
    func: Callable[..., Awaitable[Any]], context_state: ContextState, *args: Any
) -> Awaitable[Any]:
    """Run the function of a context, through the middleware if there is any."""
    ctx = DurableContext(context_state)
    middleware = context_state.run.settings.middleware
    if middleware is None:
        return _call(func, context_state, ctx, *args)
    return middleware.context(context_state, partial(_call, func, context_state, ctx, *args))


def _call(func: Callable[..., Any], context_state: ContextState, *args: Any) -> Awaitable[Any]:
    """Call the async function of a context. A plain function fails the execution."""
    running: object = func(*args)
    if inspect.isawaitable(running):
        return running
    name = getattr(func, "__qualname__", type(func).__qualname__)
    error = ConfigError(
        f"a context takes an async function (async def), and {name} returned an object of type"
        f" {type(running).__name__}, which cannot be awaited; a plain function runs as a step: await"
        " ctx.step(function)"
    )
    # The execution fails, because a map would tolerate the failure of its items.
    context_state.run.fail(error)
    raise error


def _function(function: Any, operation: str) -> Callable[..., Any]:
    if callable(function):
        return function  # type: ignore[no-any-return]
    raise _not_a_function(function, operation)


def _not_a_function(found: object, operation: str) -> ConfigError:
    if asyncio.iscoroutine(found):
        found.close()
    return operations.call_errors.not_a_function(found, operation)
