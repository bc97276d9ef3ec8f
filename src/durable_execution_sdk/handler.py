"""``@durable_execution``, which makes a Lambda handler of a workflow function.

The module is long because the decorator has an overload and its documentation for users, and two things belong
beside it: the handler that it makes, and the thread in which that runs when it is called from a running loop.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec

from durable_execution_sdk import operations, retry
from durable_execution_sdk.aws.data_plane import default_data_plane
from durable_execution_sdk.context import DurableContext
from durable_execution_sdk.errors import ConfigError, InvocationError, SerDesError
from durable_execution_sdk.first_use import StaticGeneric, explained
from durable_execution_sdk.operations.lifecycle.argument_checks import check_serdes, check_strategy
from durable_execution_sdk.protocol.codec import decode_invocation, encode_outcome
from durable_execution_sdk.protocol.data_plane import Invocation, Outcome
from durable_execution_sdk.protocol.error_object import READS_FROM_OUTSIDE
from durable_execution_sdk.protocol.ids import execution_operation_id
from durable_execution_sdk.protocol.operations import OperationType
from durable_execution_sdk.runtime import run_invocation
from durable_execution_sdk.runtime.bodies import with_resources
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.event_loop.environment import environment
from durable_execution_sdk.runtime.external_wakeups import standing_by
from durable_execution_sdk.runtime.run import InvocationRun, MakeRun
from durable_execution_sdk.runtime.settings import (
    DEFAULT_MAX_THREADS,
    Invoked,
    Settings,
    check_settings,
)
from durable_execution_sdk.runtime.verdicts import Abort
from durable_execution_sdk.serdes import (
    SerDes,
    SerDesContext,
    ValueContext,
    checked_text,
    parameter_text,
    serdes_for_parameter,
    serdes_for_return,
)

if TYPE_CHECKING:
    from durable_execution_sdk.execution_limits import ExecutionLimits
    from durable_execution_sdk.handler_modes import CheckpointingMode, OnDivergence, ReplayLogging
    from durable_execution_sdk.ports import DataPlane
    from durable_execution_sdk.runtime.extension_points import (
        Chain,
        Interceptor,
        Observers,
        Plugin,
    )

__all__ = ["DurableHandler", "durable_execution"]

_REMEDY = "or give the handler a serdes: @durable_execution(serdes=...)"

_E = TypeVar("_E")
_R = TypeVar("_R")
_T = TypeVar("_T")

WorkflowFunction = Callable[[_E, DurableContext], Coroutine[Any, Any, _R]]


class DurableHandler(StaticGeneric[_E, _R]):
    """A Lambda handler ``(event, lambda_context) -> dict`` that runs a workflow durably.

    ``handler.__wrapped__`` is the workflow function itself.
    """

    def __init__(
        self,
        workflow: WorkflowFunction[_E, _R],
        client: DataPlane | None,
        settings: Settings,
        make: MakeRun = InvocationRun,
    ) -> None:
        self.__wrapped__ = workflow
        self.__name__ = workflow.__name__
        self.__qualname__ = workflow.__qualname__
        self.__module__ = workflow.__module__
        self.__doc__ = workflow.__doc__
        self._client = client
        self._make = make
        self.settings = settings
        self.event_serdes: SerDes[object] = settings.serdes or serdes_for_parameter(workflow, 0)
        self.result_serdes: SerDes[Any] = settings.serdes or serdes_for_return(workflow)
        if (middleware := settings.middleware) is not None:
            execution = OperationType.EXECUTION
            self.event_serdes = middleware.serdes(self.event_serdes, execution, None)
            self.result_serdes = middleware.serdes(self.result_serdes, execution, None)

    def __repr__(self) -> str:
        """Show the name of the workflow."""
        return f"<durable handler {self.__module__}.{self.__qualname__}>"

    def __call__(self, event: Mapping[str, object], lambda_context: object) -> dict[str, Any]:
        """Run one invocation, as Lambda's runtime does.

        Raises if Lambda is to invoke again. Every other outcome, also FAILED and PENDING, is returned.
        """
        invocation = self._read(event)
        if _is_in_loop():
            # Lambda never calls a handler from a running loop, but a test or a script may.
            return _in_thread(lambda: self._invoke(invocation, lambda_context))
        return self._invoke(invocation, lambda_context)

    def bind(self, client: DataPlane) -> DurableHandler[_E, _R]:
        """Return the same handler with another client."""
        return DurableHandler(self.__wrapped__, client, self.settings, self._make)

    def made_by(self, make: MakeRun) -> DurableHandler[_E, _R]:
        """Return the same handler with another class for the state of invocations, for tests and tools."""
        return DurableHandler(self.__wrapped__, self._client, self.settings, make)

    def _invoke(self, invocation: Invocation, lambda_context: object) -> dict[str, Any]:
        here = environment()
        invoked = Invoked(
            arn=invocation.durable_execution_arn,
            token=invocation.checkpoint_token,
            request_id=getattr(lambda_context, "aws_request_id", None) or os.urandom(16).hex(),
            lambda_context=lambda_context,
            ends_at=_end_of(lambda_context),
        )

        async def main() -> Outcome:
            return await run_invocation(
                here, self._plane(), invocation, invoked, self.settings, self._main, self._make
            )

        return encode_outcome(here.run(main()))

    def _plane(self) -> DataPlane:
        client = self._client = self._client or default_data_plane()
        return client

    async def _main(self, context_state: ContextState, payload: str | None) -> str | None:
        run = context_state.run
        arn, run.event_serdes = run.invoked.arn, self.event_serdes
        context = _InputContext(
            operation_id=execution_operation_id(arn),
            durable_execution_arn=arn,
            is_outward=True,
            workflow=self.__wrapped__,
        )
        try:
            event: Any = None if payload is None else self._read_event(payload, context)
        except Exception as error:
            unreadable = _unreadable(error, context)
            # An input that the first invocation cannot read fitted no code.
            is_retried = self.settings.retries_divergence
            if is_retried and not run.journal.has_new_input:
                run.end(Abort(unreadable, fatal=False))
            raise unreadable from error
        middleware = self.settings.middleware
        try:
            if middleware is None:
                result = await self.__wrapped__(event, DurableContext(context_state))
            else:
                result = await middleware.handler(context_state, event, self.__wrapped__)
        except (TypeError, AttributeError, RuntimeError) as error:
            operations.call_errors.complete_error(error)
            raise
        written = self.result_serdes.serialize(result, self._result_context(arn))
        return checked_text(written, f"what the serdes writes as the result of {self.__qualname__}")

    def _result_context(self, arn: str) -> SerDesContext:
        return ValueContext(
            operation_id=execution_operation_id(arn),
            durable_execution_arn=arn,
            is_outward=True,
            subject=f"the result of {self.__qualname__}",
            remedy=_REMEDY,
        )

    def _read_event(self, payload: str, context: SerDesContext) -> object:
        token = READS_FROM_OUTSIDE.set(True)
        try:
            return self.event_serdes.deserialize(payload, context)
        finally:
            READS_FROM_OUTSIDE.reset(token)

    def _read(self, event: object) -> Invocation:
        try:
            invocation = decode_invocation(event)
            _check_texts(invocation)
        except (msgspec.ValidationError, ValueError) as error:
            raise InvocationError(
                f"{self.__qualname__} was not invoked as a durable function: {error}. Its event must"
                " be the one that the service makes (DurableExecutionArn, CheckpointToken,"
                " InitialExecutionState): configure the function with DurableConfig, or run it"
                " locally with `durable run`"
            ) from error
        return invocation


class _InputContext(SerDesContext, frozen=True, kw_only=True):
    """The context of the execution's input."""

    workflow: Callable[..., object]

    @property
    def what(self) -> str:
        """The input, and the parameter that gets it, for error messages."""
        parameter = parameter_text(self.workflow, 0)
        name = getattr(self.workflow, "__qualname__", repr(self.workflow))
        return f"the input of the execution, for {parameter!r} of {name}"

    @property
    def way_out(self) -> str:
        """The end of an error message about the input, after its cure."""
        return f", {_REMEDY}"


def _unreadable(error: Exception, context: SerDesContext) -> SerDesError:
    """Return the error for an input that cannot be read, which names the parameter."""
    if isinstance(error, SerDesError) and str(error).startswith(context.what):
        return error
    return SerDesError(f"{context.what}, cannot be read: {error}")


def _check_texts(invocation: Invocation) -> None:
    """Raise ``ValueError`` for texts that cannot be sent back to the service, such as lone surrogates."""
    if not invocation.durable_execution_arn:
        raise ValueError("DurableExecutionArn is empty")
    invocation.durable_execution_arn.encode()
    invocation.checkpoint_token.encode()
    (invocation.initial_execution_state.next_marker or "").encode()


AnyHandler = DurableHandler[Any, Any]
"""A handler of any workflow, for code that does not look at its event and result."""


if TYPE_CHECKING:

    @overload
    def durable_execution(workflow: WorkflowFunction[_E, _R], /) -> DurableHandler[_E, _R]: ...

    @overload
    def durable_execution(
        *,
        client: DataPlane | None = None,
        serdes: SerDes[Any] | None = None,
        default_retry: retry.RetryStrategy | None = None,
        checkpointing: CheckpointingMode = CheckpointingMode.BATCHED,
        replay_logging: ReplayLogging = ReplayLogging.NONE,
        on_divergence: OnDivergence = OnDivergence.FAIL,
        logger: logging.Logger | None = None,
        deadline_margin: float | None = None,
        foreign_wait: float = 30.0,
        max_threads: int = DEFAULT_MAX_THREADS,
        warn_of_blocking: bool = True,
        limits: ExecutionLimits | None = None,
        plugins: Sequence[Plugin] = (),
        middleware: Sequence[Interceptor] = (),
    ) -> Callable[[WorkflowFunction[_E, _R]], DurableHandler[_E, _R]]: ...


@explained
def durable_execution(
    workflow: WorkflowFunction[Any, Any] | None = None,
    /,
    *,
    client: DataPlane | None = None,
    serdes: SerDes[Any] | None = None,
    default_retry: retry.RetryStrategy | None = None,
    checkpointing: CheckpointingMode | None = None,
    replay_logging: ReplayLogging | None = None,
    on_divergence: OnDivergence | None = None,
    logger: logging.Logger | None = None,
    deadline_margin: float | None = None,
    foreign_wait: float = 30.0,
    max_threads: int = DEFAULT_MAX_THREADS,
    warn_of_blocking: bool = True,
    limits: ExecutionLimits | None = None,
    plugins: Sequence[Plugin] = (),
    middleware: Sequence[Interceptor] = (),
) -> Any:
    """Make a Lambda handler of ``async def workflow(event, ctx)``.

    The event is decoded to the annotation of the first parameter, and the result is encoded by the return
    annotation. An event that does not fit fails the execution.

    Args:
        workflow: the coroutine function. Without it, ``durable_execution`` returns a decorator.
        client: the client for the service; that of Lambda's API by default, made on first use.
        serdes: the serdes of the event, the result and each operation that has none of its own.
        default_retry: the strategy of steps that have none; ``ExponentialBackoff()``, of 6 attempts, by default.
        checkpointing: the times at which updates are sent, ``BATCHED`` by default; see ``CheckpointingMode``.
        replay_logging: the log lines of replayed code that are written; none by default.
        on_divergence: the end of an invocation whose code or input no longer fits the log: the execution fails
            (``FAIL``, the default), or the handler raises, so that Lambda invokes again (``RETRY``).
        logger: the target of ``ctx.logger``: a ``logging.Logger`` or an object with its methods, such as
            an adapter or the logger of AWS Lambda Powertools; ``logging.getLogger("durable_execution")`` by
            default.
        deadline_margin: the seconds before the function's timeout at which an invocation leaves; by
            default a tenth of its time, but at least 0.3 s and at most 2 s.
        foreign_wait: the seconds for which workflow code may wait for a thread that no executor started,
            before that is a deadlock or the invocation suspends; 30 by default.
        max_threads: the most plain functions that run at once, each in a thread; 128 by default. All
            invocations of the process share the threads, which are made when they are needed.
        warn_of_blocking: log a warning, once for each place, that names the line of a step's async body, or of
            workflow code, that has kept the event loop busy for more than a second; on by default.
        limits: the quotas of the account and the timeout of the execution, for ``ctx.budget`` and warnings; by
            default 3,000 operations and 100 MiB. See ``ExecutionLimits``.
        plugins: observers of the execution, called in this order; see ``plugins.DurablePlugin``.
        middleware: interceptors, the first outermost; see ``middleware.Middleware``.

    Raises:
        ConfigError: not a coroutine function of two positional parameters, or an option is wrong.
    """
    options: dict[str, Any] = {
        "serdes": serdes,
        "default_retry": default_retry,
        "checkpointing": checkpointing,
        "replay_logging": replay_logging,
        "on_divergence": on_divergence,
        "deadline_margin": deadline_margin,
        "foreign_wait": foreign_wait,
        "max_threads": max_threads,
        "warn_of_blocking": warn_of_blocking,
        "limits": limits,
    }
    if logger is not None:
        options["logger"] = logger
    if plugins:
        options["observers"] = _observers(plugins, logger)
    if middleware:
        options["middleware"] = _chain(middleware)
    settings = Settings(**options)
    _check_options(settings, client)

    def decorate(function: WorkflowFunction[object, object]) -> DurableHandler[object, object]:
        _check(function)
        return DurableHandler(function, client, settings)

    return decorate if workflow is None else decorate(workflow)


def _check(function: object) -> None:
    name = getattr(function, "__qualname__", repr(function))
    if not inspect.iscoroutinefunction(function):
        raise ConfigError(
            f"@durable_execution decorates `async def handler(event, ctx)`; {name} is no coroutine"
            " function"
        )
    if (given := with_resources(function)) is not None:
        raise given.refusal("@durable_execution")
    signature = inspect.signature(function)
    try:
        signature.bind(None, None)
        positional = True
    except TypeError:
        positional = False
    required = [
        parameter
        for parameter in signature.parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if not positional or len(required) != 2:
        raise ConfigError(
            f"@durable_execution decorates `async def handler(event, ctx)`; {name} has the parameters"
            f" {signature}, and must have just these two"
        )
    first: Any = required[0].annotation
    if str(getattr(first, "__name__", first)).rpartition(".")[2] == "DurableContext":
        raise ConfigError(
            f"@durable_execution decorates `async def handler(event, ctx)`; {name} has the parameters"
            f" {signature}, with the context first. Only functions that an operation calls take it first"
        )


def _check_options(settings: Settings, client: object) -> None:
    check_serdes("durable_execution(serdes=...)", settings.serdes)
    check_strategy("durable_execution(default_retry=...)", settings.default_retry)
    if not (client is None or (hasattr(client, "checkpoint") and hasattr(client, "get_state"))):
        raise ConfigError(
            "durable_execution(client=...) takes a DataPlane, such as that of a Lambda client, not"
            f" {client!r}"
        )
    if settings.limits is not None:
        from durable_execution_sdk.execution_limits import check_limits  # noqa: PLC0415 - rarely needed

        check_limits(settings.limits)
    check_settings(settings)


def _observers(plugins: Sequence[Plugin], logger: logging.Logger | None) -> Observers:
    """Make the observers from the plugins, which also check them. Raises ``ConfigError``."""
    rejected: object = plugins
    if isinstance(rejected, (list, tuple)):
        for plugin in plugins:
            if hasattr(plugin, "make_observers"):
                return plugin.make_observers(plugins, logger or Settings().logger)
        rejected = plugins[0]
    raise ConfigError(
        "durable_execution(plugins=...) takes a list of objects whose classes derive from"
        f" durable_execution_sdk.plugins.DurablePlugin, not {rejected!r}"
    )


def _chain(stack: Sequence[Interceptor]) -> Chain:
    """Make the chain from the middleware, which also checks it. Raises ``ConfigError``."""
    rejected: object = stack
    if isinstance(rejected, (list, tuple)):
        for middleware in stack:
            if hasattr(middleware, "make_chain"):
                return middleware.make_chain(stack)
        rejected = stack[0]
    raise ConfigError(
        "durable_execution(middleware=...) takes a list of objects whose classes derive from"
        f" durable_execution_sdk.middleware.Middleware, not {rejected!r}"
    )


def _end_of(lambda_context: object) -> float | None:
    """Return the end of the invocation's time on the monotonic clock; ``None`` without a limit."""
    remaining = getattr(lambda_context, "get_remaining_time_in_millis", None)
    return None if remaining is None else time.monotonic() + remaining() / 1000


def _is_in_loop() -> bool:
    """Return ``True`` if this thread runs an event loop, in which no other can run."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_thread(call: Callable[[], _T]) -> _T:
    """Run an invocation in a thread of its own while this one stands by; return what ``call`` returns."""
    outcome: list[_T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # passed on to the caller
            errors.append(error)
        finally:
            environment().close()

    thread = threading.Thread(target=run, name="durable-invocation")
    with standing_by():
        thread.start()
        thread.join()
    if errors:
        raise errors[0]
    return outcome[0]
