"""Faults that are planted in the runtime, to check that the generator finds them.

Each removes a mechanism that a law needs. They replace functions at the border between asyncio and the
runtime, so that they depend little on how the runtime works.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from durable_execution_sdk.operations.patched import Patches
from durable_execution_sdk.runtime.completions import Completions
from durable_execution_sdk.runtime.completions.completion import Completion
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.log import Journal
from durable_execution_sdk.runtime.log.gate import Gate

Planted = contextlib.AbstractContextManager[None]


@contextlib.contextmanager
def collections_take_numbers() -> Iterator[None]:
    """Break identity: after each garbage collection, the scope of the next task is numbered one higher."""
    spawn: Callable[..., Any] = IdScope.spawn
    collected = 0

    def notice(phase: str, _info: object) -> None:
        nonlocal collected
        collected += phase == "stop"

    def shifted(self: IdScope, *args: Any, **options: Any) -> Any:
        nonlocal collected
        if collected:
            collected = 0
            spawn(self, *args, **options)
        return spawn(self, *args, **options)

    gc.callbacks.append(notice)
    try:
        with mock.patch.object(IdScope, "spawn", shifted):
            yield
    finally:
        gc.callbacks.remove(notice)


class _Scattered(set[Any]):
    """A set with a random order of iteration."""

    def __iter__(self) -> Iterator[Any]:
        members = list(super().__iter__())
        random.SystemRandom().shuffle(members)
        return iter(members)


def _scattered(concerns: Callable[[Any], bool]) -> Planted:
    wait = asyncio.wait

    async def scattering(futures: Any, **options: Any) -> tuple[set[Any], set[Any]]:
        done, pending = await wait(futures, **options)
        return (_Scattered(done), pending) if all(map(concerns, done)) else (done, pending)

    return mock.patch.object(asyncio, "wait", scattering)  # type: ignore[return-value]


def sets_of_tasks_are_scattered() -> Planted:
    """Break order: sets of tasks and operations have a random order."""
    return _scattered(lambda each: isinstance(each, (asyncio.Task, Handle)))


def sets_of_futures_are_scattered() -> Planted:
    """Break order: sets of plain futures have a random order."""
    return _scattered(lambda each: not isinstance(each, (asyncio.Task, Handle)))


def replay_takes_no_turn() -> Planted:
    """Break order: a completion is delivered at once, though callbacks are ready."""

    def at_once(self: Completions, completion: Completion[Any]) -> None:
        if len(self._tasks.live) == 1:
            while not completion.is_done:
                self.deliver_next()

    return mock.patch.object(Completions, "deliver_at_once", at_once)  # type: ignore[return-value]


def the_gate_stands_open() -> Planted:
    """Break completeness: recorded operations that the code does not ask for are not noticed."""
    return mock.patch.object(Gate, "divergence", lambda *_: None)  # type: ignore[return-value]


def patches_look_at_one_scope() -> Planted:
    """Break patches: only the main task of the handler's context counts as what is ahead."""

    def ahead(self: Patches) -> list[Any]:
        gate = self._run.gate
        missed = [] if gate is None else gate.missed()
        return [each for each in missed if each.parent_id is None and "_" not in each.id]

    return mock.patch.object(Patches, "ahead", ahead)  # type: ignore[return-value]


def markers_have_to_be_asked_for() -> Planted:
    """Break patches: the gate misses markers as it does operations."""
    return mock.patch.object(Journal, "marked", lambda *_: None)  # type: ignore[return-value]
