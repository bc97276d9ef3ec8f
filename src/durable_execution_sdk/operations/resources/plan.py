"""The resources of a function in the order in which they are made: each after those that it needs itself.

A plan is made when a step is called, so all that is wrong with a resource is told there, before the step has an id:
circles, parameters of a maker that nothing gives, and what cannot be kept because it needs something that is not.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.operations.resources.markers import Dependency, name_of
from durable_execution_sdk.operations.resources.parameters import dependencies_of, needed_by
from durable_execution_sdk.runtime.event_loop.threads import is_coroutine_function

__all__ = ["NO_OVERRIDES", "Overrides", "Plan", "Resource", "plan_of"]

Overrides = Mapping[Callable[..., object], Callable[..., Any]]
"""The functions that make resources in a test in place of others."""

NO_OVERRIDES: Overrides = {}


class Resource:
    """A resource of a plan.

    ``key`` is equal for resources that are made by the same function of the same resources. ``is_async``: it is made
    on the event loop. ``is_before_body``: it is made before a plain function gets its thread, because it is kept or
    an asynchronous function needs it.
    """

    def __init__(
        self, make: Callable[..., Any], needs: dict[str, Resource], *, keep: bool | None
    ) -> None:
        self.make = make
        self.needs = needs
        is_async_generator = _is(inspect.isasyncgenfunction, make)
        self.is_generator = is_async_generator or _is(inspect.isgeneratorfunction, make)
        self.is_async = is_async_generator or is_coroutine_function(make)
        self.is_kept = not self.is_generator if keep is None else keep
        changing = [each for each in needs.values() if not each.is_kept]
        if changing and keep:
            raise ConfigError(
                f"{name_of(make)} is kept (keep=True) and needs {name_of(changing[0].make)}, which is made for each"
                " attempt and would be used after its clean-up: keep neither, or both"
            )
        self.is_kept = self.is_kept and not changing
        self.is_before_body = self.is_kept or self.is_async
        if self.is_async:
            for each in needs.values():
                each.come_before_body()
        self.key: tuple[object, ...] = (make, self.is_kept, *(each.key for each in needs.values()))

    def come_before_body(self) -> None:
        """Note that an asynchronous function needs this."""
        self.is_before_body = True
        for each in self.needs.values():
            each.come_before_body()

    @property
    def name(self) -> str:
        """Its name in messages, that of the function."""
        return name_of(self.make)


def _is(kind: Callable[[object], bool], make: Callable[..., object]) -> bool:
    """Return ``True`` for a function of this kind, and for an object whose method ``__call__`` is one."""
    return kind(make) or kind(getattr(type(make), "__call__", None))  # noqa: B004 - not if it is callable


class Plan:
    """The resources of a function, by parameter, and all of them in the order in which they are made."""

    def __init__(self, given: dict[str, Resource], order: Iterable[Resource]) -> None:
        self.given = given
        self.order = list(order)


def plan_of(
    function: Callable[..., object],
    dependencies: Mapping[str, Dependency],
    overrides: Overrides = NO_OVERRIDES,
) -> Plan:
    """Plan the resources of a function. Raises ``ConfigError`` for those that cannot be made."""
    made: dict[tuple[object, bool | None], Resource] = {}
    given = {
        name: _resource(mark, made, overrides, (function,)) for name, mark in dependencies.items()
    }
    return Plan(given, made.values())


def _resource(
    mark: Dependency,
    made: dict[tuple[object, bool | None], Resource],
    overrides: Overrides,
    path: tuple[Callable[..., object], ...],
) -> Resource:
    make = overrides.get(mark.make, mark.make)
    if make in path:
        circle = " -> ".join(name_of(each) for each in (*path[path.index(make) :], make))
        raise ConfigError(f"resources that need one another cannot be made: {circle}")
    known = made.get((make, mark.keep))
    if known is not None:
        return known
    marks = dependencies_of(make)
    missing = needed_by(make, marks)
    if missing:
        way = " -> ".join(name_of(each) for each in (*path, make))
        raise ConfigError(
            f"parameter {missing[0]!r} of {name_of(make)} ({way}) is given by nothing: give it a default, or"
            f" annotate it with {missing[0]}: Annotated[..., Depends(...)]"
        )
    needs = {
        name: _resource(inner, made, overrides, (*path, make)) for name, inner in marks.items()
    }
    resource = made[make, mark.keep] = Resource(make, needs, keep=mark.keep)
    return resource
