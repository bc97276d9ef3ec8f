"""Interceptors around a handler, its contexts, its steps and its payloads.

Pass instances of subclasses of ``Middleware`` to ``durable_execution(middleware=[...])``. Handlers
without middleware do not load this module.

The module is long because it documents four kinds of interceptors for users.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, cast

from msgspec import Struct

from durable_execution_sdk.context import DurableContext
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.operations import OperationType
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.current import CURRENT, StepContext
from durable_execution_sdk.runtime.tasks import WorkflowTask
from durable_execution_sdk.serdes import SerDes, SerDesContext

__all__ = ["ContextInfo", "Middleware", "PayloadInfo"]

_Call = Callable[..., Awaitable[object]]

_ASYNC = ("around_context", "around_handler", "around_step")
_PLAIN = ("around_deserialize", "around_serialize")
_NAMES = (*_ASYNC, *_PLAIN)

# Operations whose payloads another program writes or reads, without this middleware.
_FOREIGN = frozenset(
    {OperationType.EXECUTION, OperationType.CALLBACK, OperationType.CHAINED_INVOKE}
)


class ContextInfo(Struct, frozen=True, kw_only=True):
    """The context whose function runs. A virtual context has an id but no recorded operation."""

    execution_arn: str
    operation_id: str
    name: str | None


class PayloadInfo(Struct, frozen=True, kw_only=True):
    """The operation of a payload; ``type`` and ``sub_type`` are the wire's (``"STEP"``, ``"Step"``).

    ``is_foreign``: another program writes or reads the payload. That holds for the event and the result
    of the execution (type EXECUTION), the result of a callback, and the payload and result of an
    invoke. If you encrypt these, the other program has to decrypt them.
    """

    execution_arn: str
    operation_id: str
    operation_name: str | None
    type: str
    sub_type: str | None

    @property
    def is_foreign(self) -> bool:
        """True when another program writes or reads the payload."""
        return self.type in _FOREIGN


class Middleware:
    """Base class of interceptors: override the methods that you need.

    The first middleware of the list is the outermost. Each method calls ``call_next`` to continue. It may
    change arguments and results, handle exceptions, or skip the call. Unlike a plugin's, its exceptions
    propagate.

    ``around_handler`` and ``around_context`` are **workflow code**: they run on every invocation, so they
    must do the same every time, with side effects in durable operations only. The ids of these operations
    are numbered separately: adding or removing middleware does not change the ids of other operations.
    ``around_step`` is **step code**: it runs only when a body runs, and may do anything.

    ``around_serialize`` and ``around_deserialize`` are plain functions: a payload is decoded at the moment
    when its completion is delivered, and awaiting there would let other completions overtake it. They must
    be exact inverses of each other, for as long as executions exist that used them.
    """

    async def around_handler(
        self, event: Any, ctx: DurableContext, call_next: Callable[[Any], Awaitable[Any]]
    ) -> Any:
        """Wrap the handler: receive the decoded event, return the result before it is serialized."""
        return await call_next(event)

    async def around_context(
        self, info: ContextInfo, ctx: DurableContext, call_next: Callable[[], Awaitable[Any]]
    ) -> Any:
        """Wrap the function of a child context, an item, a branch or an attempt of ``with_retry``."""
        return await call_next()

    async def around_step(self, info: StepContext, call_next: Callable[[], Awaitable[Any]]) -> Any:
        """Wrap an attempt of a step, a check of a poll, or the submitter of a callback.

        The returned value is recorded. An exception fails the attempt and is retried like any other.
        A plain (not async) body runs in a worker thread, with the context variables set here.
        """
        return await call_next()

    def around_serialize(
        self, value: Any, info: PayloadInfo, call_next: Callable[[Any], str]
    ) -> str:
        """Wrap the serialization of a value: the returned text is recorded."""
        return call_next(value)

    def around_deserialize(
        self, payload: str, info: PayloadInfo, call_next: Callable[[str], Any]
    ) -> Any:
        """Wrap the deserialization of a recorded payload, on the first run and on every replay."""
        return call_next(payload)

    @staticmethod
    def make_chain(stack: Sequence[object]) -> _Chain:
        """Return the chain of a handler. Here, so that handlers without middleware do not load it."""
        for middleware in stack:
            _check(middleware)
        return _Chain(stack)


class _Chain:
    """The middleware of a handler, by method; only overridden methods are called."""

    def __init__(self, stack: Sequence[object]) -> None:
        self._around = {
            name: [
                getattr(middleware, name) for middleware in stack if _overrides(middleware, name)
            ]
            for name in _NAMES
        }

    async def handler(
        self,
        context_state: ContextState,
        event: object,
        run: Callable[[object, DurableContext], Awaitable[object]],
    ) -> object:
        """Run the handler inside the interceptors."""
        ctx = DurableContext(context_state)
        arounds = self._around["around_handler"]
        links = [partial(_around_handler, around, ctx) for around in arounds]

        async def inner(event: object) -> object:
            return await run(event, ctx)

        return await _in_workflow(context_state, links, inner, event)

    async def context(self, context_state: ContextState, run: Callable[[], Awaitable[Any]]) -> Any:
        """Run the function of a context inside the interceptors."""
        info = ContextInfo(
            execution_arn=context_state.run.invoked.arn,
            operation_id=context_state.operation_id or "",
            name=context_state.name,
        )
        ctx = DurableContext(context_state)
        arounds = self._around["around_context"]
        links = [partial(_around_context, around, info, ctx) for around in arounds]
        return await _in_workflow(context_state, links, run)

    async def step(self, info: StepContext, run: Callable[[], Awaitable[object]]) -> object:
        """Run the body of a step inside the interceptors."""
        for around in reversed(self._around["around_step"]):
            run = partial(around, info, run)
        return await run()

    def serdes(self, serdes: SerDes[object], kind: str, sub_type: str | None) -> SerDes[Any]:
        """Return a serdes with the interceptors around it; the same one if there are none for payloads."""
        writing, reading = self._around["around_serialize"], self._around["around_deserialize"]
        return (
            _Intercepted(serdes, kind, sub_type, writing, reading) if writing or reading else serdes
        )


async def _in_workflow(
    context_state: ContextState,
    links: Sequence[_Call],
    run: _Call,
    *args: object,
) -> object:
    """Call workflow code through its interceptors, each in its own scope.

    ``run`` gets the scope of the context, as without interceptors, in any task.
    """
    inner = _task().scope
    assert isinstance(inner, IdScope)
    interceptor_scopes = [
        IdScope(context_state, f"{context_state.prefix}m{n}-", maker=inner)
        for n in range(1, len(links) + 1)
    ]
    scopes = [*interceptor_scopes, inner]

    async def enter(depth: int, *args: object) -> object:
        task = _task()
        scope_before, task.scope = task.scope, scopes[depth]
        try:
            if depth == len(links):
                return await run(*args)
            return await links[depth](partial(enter, depth + 1), *args)
        finally:
            task.scope = scope_before

    return await enter(0, *args)


def _around_handler(
    around: _Call, ctx: DurableContext, call_next: _Call, event: object
) -> Awaitable[object]:
    return around(event, ctx, call_next)


def _around_context(
    around: _Call, info: ContextInfo, ctx: DurableContext, call_next: _Call
) -> Awaitable[object]:
    return around(info, ctx, call_next)


def _task() -> WorkflowTask[object]:
    # Interceptors of workflow code run in no other task.
    return cast("WorkflowTask[object]", CURRENT.get())


class _Intercepted:
    """A serdes with interceptors around it."""

    def __init__(
        self,
        serdes: SerDes[object],
        kind: str,
        sub_type: str | None,
        writing: Sequence[Callable[..., str]],
        reading: Sequence[Callable[..., object]],
    ) -> None:
        self._serdes = serdes
        self._kind = kind
        self._sub_type = sub_type
        self._writing = writing
        self._reading = reading

    def serialize(self, value: object, context: SerDesContext, /) -> str:
        """Serialize the value as text."""
        info = self._info(context)
        call: Callable[[object], str] = lambda value: self._serdes.serialize(value, context)  # noqa: E731
        for around in reversed(self._writing):
            call = partial(_pass, around, info, call)
        return call(value)

    def deserialize(self, payload: str, context: SerDesContext, /) -> object:
        """Deserialize the payload."""
        info = self._info(context)
        call: Callable[[str], object] = lambda text: self._serdes.deserialize(text, context)  # noqa: E731
        for around in reversed(self._reading):
            call = partial(_pass, around, info, call)
        return call(payload)

    def _info(self, context: SerDesContext) -> PayloadInfo:
        return PayloadInfo(
            execution_arn=context.durable_execution_arn,
            operation_id=context.operation_id,
            operation_name=context.operation_name,
            type=self._kind,
            sub_type=self._sub_type,
        )


def _pass(
    around: Callable[..., Any], info: PayloadInfo, call_next: Callable[[Any], Any], value: Any
) -> Any:
    return around(value, info, call_next)


def _overrides(middleware: object, name: str) -> bool:
    method = getattr(middleware, name)
    return getattr(method, "__func__", method) is not getattr(Middleware, name)


def _check(middleware: object) -> None:
    """Raise ``ConfigError`` for middleware that intercepts nothing, or has a wrong method."""
    if isinstance(middleware, type):
        raise ConfigError(
            "durable_execution(middleware=...) takes objects, not classes:"
            f" {middleware.__qualname__}()"
        )
    what = type(middleware).__qualname__
    if not isinstance(middleware, Middleware):
        raise ConfigError(
            f"durable_execution(middleware=...) takes subclasses of Middleware, and {what} is not one:"
            f" class {what}(Middleware)"
        )
    method_names = [name for name in dir(type(middleware)) if name.startswith("around_")]
    unknown = [name for name in method_names if name not in _NAMES]
    if unknown:
        raise ConfigError(
            f"{what}.{unknown[0]} would never be called; what can be overridden is"
            f" {', '.join(_NAMES)}"
        )
    overridden = [name for name in _NAMES if _overrides(middleware, name)]
    if not overridden:
        raise ConfigError(f"{what} intercepts nothing: override one of {', '.join(_NAMES)}")
    for name in overridden:
        is_async = inspect.iscoroutinefunction(getattr(middleware, name))
        if is_async != (name in _ASYNC):
            actual, expected = ("`async def`", "`def`") if is_async else ("`def`", "`async def`")
            raise ConfigError(f"{what}.{name} is {actual}, and must be {expected}")
