"""Run a workflow many times, each time after a reset of the external state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import msgspec

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import AnyHandler
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.testing.checks.comparison import Standard
from durable_execution_sdk.testing.checks.snapshots import Snapshot, snapshot_of
from durable_execution_sdk.testing.errors import DurableTestError, UnusedFaultError
from durable_execution_sdk.testing.local.runner import LocalDurableTestRunner
from durable_execution_sdk.testing.local.service import NO_EVENT
from durable_execution_sdk.testing.results.result import DurableTestResult

__all__ = [
    "Play",
    "SyncPlay",
    "Trial",
    "TrialOutcome",
    "at_once",
    "way_to_play",
    "way_to_play_sync",
]

_T = TypeVar("_T")

Runner = LocalDurableTestRunner[Any]
Play = Callable[[Runner], Awaitable[DurableTestResult[Any]]]
"""Runs an execution on a runner: starts it, answers its callbacks, and returns its result."""

SyncPlay = Callable[[Runner], DurableTestResult[Any]]
"""The same for tests that are plain functions."""


class TrialOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one run: a snapshot, or the ``trouble`` that prevented it.

    ``is_missed``: the planned fault never happened. ``is_wrong``: an assertion of the test failed.
    """

    runner: Runner
    snapshot: Snapshot | None = None
    history: list[HistoryEvent] = []
    trouble: str = ""
    is_missed: bool = False
    is_wrong: bool = False


class Trial:
    """A workflow, and the functions that reset, run and observe it."""

    def __init__(
        self,
        subject: AnyHandler | Runner,
        play: Play,
        setup: Callable[[], object] | None,
        observe: Callable[[], object] | None,
    ) -> None:
        if isinstance(subject, LocalDurableTestRunner):
            self.template: Runner = subject
        else:
            self.template = LocalDurableTestRunner(subject)
        self._play = play
        self._setup = setup
        self._observe = observe

    @property
    def name(self) -> str:
        """The workflow's name in reports."""
        return self.template.options.handler.__qualname__

    async def run(self, runner: Runner) -> TrialOutcome:
        """Reset the external state, run the workflow once, and take a snapshot."""
        if self._setup is not None:
            self._setup()
        runner.faults.compare_arguments()
        try:
            result = await self._play(runner)
        except UnusedFaultError:
            return TrialOutcome(runner=runner, is_missed=True)
        except DurableTestError as error:
            history = [
                event for previous in runner.sync.results()[-1:] for event in previous.history
            ]
            return TrialOutcome(
                runner=runner, trouble=str(error).split("\n", 1)[0], history=history
            )
        except AssertionError as error:
            return TrialOutcome(runner=runner, trouble=f"play= asserts: {error}", is_wrong=True)
        if not isinstance(result, DurableTestResult):
            raise ConfigError(
                "play= returns the result of the runner, as in"
                f" `return await runner.complete()`; it returned {result!r}"
            )
        try:
            snapshot = snapshot_of(result, self._observe, runner.faults.arguments)
        except AssertionError as error:
            return TrialOutcome(runner=runner, trouble=f"observe= asserts: {error}", is_wrong=True)
        return TrialOutcome(runner=runner, history=result.history, snapshot=snapshot)

    async def calm(self) -> tuple[Runner, Standard]:
        """Run twice undisturbed, and make the standard; return it with the first runner."""
        runner = self.template.fresh()
        runner.faults.count_awaits()
        first = await self.run(runner)
        second = await self.run(self.template.fresh())
        if first.snapshot is None or second.snapshot is None:
            raise DurableTestError(
                f"{self.name} does not end undisturbed, so there is nothing to compare"
                f" with: {first.trouble or second.trouble}"
            )
        standard = Standard(first.snapshot, second.snapshot)
        for snapshot in (first.snapshot, second.snapshot):
            await self.look_again(standard, snapshot)
        problems = [
            problem
            for snapshot in (first.snapshot, second.snapshot)
            for problem in standard.problems_of(snapshot)
        ]
        standard.problems += dict.fromkeys(problems)
        return first.runner, standard

    async def look_again(self, standard: Standard, snapshot: Snapshot) -> None:
        """Run undisturbed once more if a value differs that may vary by itself.

        Two readings of a clock in seconds are usually equal; one that follows a later reading is not.
        """
        if standard.may_vary(snapshot):
            again = await self.run(self.template.fresh())
            if again.snapshot is not None:
                standard.learn(again.snapshot)


def way_to_play(play: Play | None, event: object) -> Play:
    """Return ``play``, or else a function that runs the workflow with the event."""
    if play is None:

        async def run(runner: Runner) -> DurableTestResult[object]:
            return await runner.run(event)

        return run
    _check_alone(event)
    return play


def way_to_play_sync(play: SyncPlay | None, event: object) -> Play:
    """Return the play function of a synchronous check, as a coroutine function that never waits."""
    if play is not None:
        _check_alone(event)

    async def run(runner: Runner) -> DurableTestResult[object]:
        return runner.run_sync(event) if play is None else play(runner)

    return run


def _check_alone(event: object) -> None:
    if event is not NO_EVENT:
        raise ConfigError("give an event, or play= that starts the execution with one; not both")


def at_once(work: Coroutine[object, object, _T]) -> _T:
    """Run a coroutine that never waits, without an event loop."""
    try:
        work.send(None)
    except StopIteration as end:
        value: _T = end.value
        return value
    work.close()
    raise DurableTestError(
        "play= of a synchronous check awaited something; use the check without _sync"
    )
