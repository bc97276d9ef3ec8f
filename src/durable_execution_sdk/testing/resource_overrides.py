"""Resources of steps that a test replaces: see ``LocalDurableTestRunner.override``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.operations.resources.markers import checked_maker, name_of

__all__ = ["NOTHING", "ResourceOverride"]

NOTHING: object = object()
"""Stands for a resource that was not passed; ``None`` may be one."""


class _Constant:
    """A function that returns the resource of a test."""

    def __init__(self, resource: object, name: str) -> None:
        self._resource = resource
        self.__qualname__ = f"override({name}, ...)"

    async def __call__(self) -> object:
        return self._resource


class ResourceOverride:
    """A replacement, in force from the call that makes it; as a context manager, until the block ends."""

    def __init__(
        self,
        overrides: dict[Callable[..., object], Callable[..., Any]],
        make: Callable[..., object],
        resource: object,
        by: Callable[..., object] | None,
    ) -> None:
        if (resource is NOTHING) == (by is None):
            raise ConfigError(
                "runner.override takes the function of Depends, and either the resource itself,"
                " override(get_client, FakeClient()), or a function that makes it,"
                " override(get_client, by=get_fake)"
            )
        self._make = checked_maker(make)
        self._overrides = overrides
        self._before = overrides.get(make)
        if by is None:
            overrides[make] = _Constant(resource, name_of(make))
        else:
            overrides[make] = checked_maker(by)

    def __enter__(self) -> None:
        """Keep the replacement while the block runs."""

    def __exit__(self, *_: object) -> None:
        """Restore what made the resource before."""
        if self._before is None:
            self._overrides.pop(self._make, None)
        else:
            self._overrides[self._make] = self._before
