"""Calls of functions with their resources: those of a plain function are made in its own thread where that can be.

So a connection that belongs to the thread that opened it, and context variables that its set-up has set, serve the
function. What is kept, and what an asynchronous function makes or needs, is made on the loop before.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from durable_execution_sdk.errors import ConfigError, ContextMisuseError
from durable_execution_sdk.operations.resources.container import container_of, made
from durable_execution_sdk.operations.resources.generators import (
    AsyncScope,
    PlainScope,
    noted,
    raised_by,
)
from durable_execution_sdk.operations.resources.markers import name_of
from durable_execution_sdk.operations.resources.parameters import dependencies_of
from durable_execution_sdk.operations.resources.plan import (
    NO_OVERRIDES,
    Overrides,
    Plan,
    Resource,
    plan_of,
)
from durable_execution_sdk.runtime.event_loop import WorkflowLoop
from durable_execution_sdk.runtime.event_loop.threads import call, is_coroutine_function

__all__ = ["FunctionWithResources", "overridden", "with_resources"]

_Values = dict[tuple[object, ...], Any]

# The overrides of the thread in which a handler runs.
_active = threading.local()


@contextmanager
def overridden(overrides: Overrides) -> Generator[None]:
    """Let the handlers that this thread runs meanwhile make other resources."""
    before = _overrides()
    _active.overrides = overrides
    try:
        yield
    finally:
        _active.overrides = before


def _overrides() -> Overrides:
    overrides: Overrides = getattr(_active, "overrides", NO_OVERRIDES)
    return overrides


class FunctionWithResources:
    """A function that is called with the resources that it needs; only they are given by keyword."""

    def __init__(self, function: Callable[..., Any], plan: Plan) -> None:
        self.function = self.needs_resources = function
        self._plan = plan
        self._name = name_of(function)
        self._is_coroutine = is_coroutine_function(function)
        # A wrapper may return an awaitable of the function inside, which needs the resources until it has ended.
        self._is_before_body = self._is_coroutine or hasattr(function, "__wrapped__")

    @property
    def names(self) -> Iterable[str]:
        """The parameters that are resources."""
        return self._plan.given

    def refusal(self, operation: str) -> ConfigError:
        """Return the error for an operation whose functions get no resources."""
        return ConfigError(
            f"{operation} calls {self._name}, whose parameter {next(iter(self.names))!r} is a resource (Depends)."
            " Workflow code gets none: it runs again on each replay, and must find what it found before. Use the"
            " resource in a step that it calls"
        )

    async def __call__(self, *args: Any) -> Any:
        """Make the resources, call the function, and clean up."""
        plan = self._plan
        if overrides := _overrides():
            plan = plan_of(self.function, dependencies_of(self.function), overrides)
        values: _Values = {}
        async with AsyncExitStack() as stack:
            for resource in plan.order:
                if self._is_before_body or resource.is_before_body:
                    await self._make(resource, values, stack)
            if self._is_coroutine:
                return await self.function(*args, **_given(plan.given, values))
            return await call(self._call_in_thread, (plan, values, args))

    async def _make(self, resource: Resource, values: _Values, stack: AsyncExitStack) -> None:
        if resource.key in values:
            return
        if resource.is_kept:
            loop = asyncio.get_running_loop()
            if not isinstance(loop, WorkflowLoop):
                raise ContextMisuseError(
                    f"{self._name} gets its resources only on the loop of a handler"
                )
            invocation = loop.idle_selector.observer
            kept = container_of(loop)
            values[resource.key] = await kept.get(resource, self._name, invocation)
            return
        needs = _given(resource.needs, values)
        if resource.is_generator:
            scope = AsyncScope(resource, needs, self._name)
            values[resource.key] = await stack.enter_async_context(scope)
        else:
            values[resource.key] = await made(resource, needs, self._name)

    def _call_in_thread(self, plan: Plan, values: _Values, args: tuple[Any, ...]) -> Any:
        """Make the resources that are left, call the function, and clean up, all in this thread."""
        with ExitStack() as stack:
            for resource in plan.order:
                if resource.key not in values:
                    self._make_in_thread(resource, values, stack)
            return self.function(*args, **_given(plan.given, values))

    def _make_in_thread(self, resource: Resource, values: _Values, stack: ExitStack) -> None:
        needs = _given(resource.needs, values)
        if resource.is_generator:
            values[resource.key] = stack.enter_context(PlainScope(resource, needs, self._name))
            return
        with noted(raised_by(resource.name, self._name)):
            values[resource.key] = resource.make(**needs)


def _given(resources: dict[str, Resource], values: _Values) -> dict[str, Any]:
    return {name: values[resource.key] for name, resource in resources.items()}


_plans: WeakKeyDictionary[Callable[..., Any], Plan | None] = WeakKeyDictionary()


def with_resources(function: Callable[..., Any]) -> FunctionWithResources | None:
    """Return the function as it is called with its resources; ``None`` if it needs none.

    Raises ``ConfigError`` for resources that cannot be made.
    """
    try:
        plan = _plans[function]
    except KeyError:
        plan = _plans[function] = _plan(function)
    except TypeError:  # it cannot be in a dictionary
        plan = _plan(function)
    return None if plan is None else FunctionWithResources(function, plan)


def _plan(function: Callable[..., Any]) -> Plan | None:
    dependencies = dependencies_of(function)
    return plan_of(function, dependencies) if dependencies else None
