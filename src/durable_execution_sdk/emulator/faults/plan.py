"""The plan of faults for an execution: crashes, throttling, slow and repeated calls."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from datetime import timedelta
from typing import Literal, Self, cast

import msgspec

from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.emulator.durations import length
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.protocol.limits import MAX_BATCH_UPDATES

__all__ = ["BodyRun", "FaultPlan", "Repeated", "When"]

When = Literal["before", "after", "response_lost"]
"""Before a checkpoint reaches the service, after it was recorded, or with its response lost."""

Repeated = Literal["request", "response"]
"""The checkpoint is sent twice, or its response is delivered twice."""


class BodyRun(msgspec.Struct, frozen=True):
    """One run of a step's body; ``attempt`` and ``invocation`` count from 1."""

    operation_id: str
    name: str | None
    attempt: int
    at_most_once: bool
    invocation: int

    @property
    def label(self) -> str:
        """The attempt and the step, for messages."""
        return f"attempt {self.attempt} of step {self.name or self.operation_id!r}"


class FaultPlan:
    """The faults of an execution. Plan them before the execution runs.

    FaultPlan affect the execution of the tested workflow, not executions that it invokes. Checkpoints are
    numbered from 1 over all invocations, and invocations are numbered from 1. Each fault happens once.
    A fault that did not happen fails the run with ``UnusedFaultError``, so that a test cannot pass
    without it.

    After a crash nothing more is recorded, the workflow's tasks are unwound (so clean-up code runs, which
    it would not in a killed process), the invocation counts as failed, and the next invocation starts
    from the log.
    """

    def __init__(self) -> None:
        self.checkpoints = 0
        self.invocations = 0
        self.bodies: list[BodyRun] = []
        self.awaits: dict[tuple[str, int], int] | None = None
        self.chance: random.Random | None = None
        self.most_updates: int | None = None
        self._planned: dict[tuple[str, Hashable], object] = {}
        self._is_dead = False
        self._on_crash: Callable[[], object] | None = None

    # Methods for tests

    def crash_at(self, *, checkpoint: int, when: When = "before") -> Self:
        """Plan a crash of the process at a checkpoint.

        ``before``: the service has not received the checkpoint. ``after``: the service has recorded it,
        and the process dies before the response. ``response_lost``: the service has recorded it, the
        response never arrives, and the SDK gives up the invocation.
        """
        if when not in ("before", "after", "response_lost"):
            raise ConfigError(f"when= is 'before', 'after' or 'response_lost', not {when!r}")
        return self._plan("crash", _number("checkpoint", checkpoint), when)

    def crash_in(self, step: str, *, attempt: int = 1, at_await: int = 1) -> Self:
        """Plan a crash in the middle of a step's body, whose end is then not recorded.

        An ``async`` body is interrupted at its n-th await, or at its end if it awaits nothing. A plain
        function continues in its thread, and its result is ignored. ``step`` is the step's name or its
        operation id; of several steps with the name, the first that runs crashes.
        """
        key = (step, _number("attempt", attempt))
        return self._plan("cut", key, _number("at_await", at_await))

    def throttle(self, *, checkpoint: int = 1, times: int = 1) -> Self:
        """Refuse a checkpoint with ``ThrottlingException``, ``times`` times.

        The call is retried as the client for Lambda's API does: five attempts with backoff. After that
        the invocation fails, and the service invokes the function again.
        """
        return self._plan("throttle", _number("checkpoint", checkpoint), _number("times", times))

    def slow_down(self, *, checkpoint: int, by: DurationLike) -> Self:
        """Let a checkpoint call take this long, on the runner's clock."""
        time = length("by=", by, timedelta(0))
        return self._plan("slow", _number("checkpoint", checkpoint), time)

    def repeat(self, *, checkpoint: int, what: Repeated = "request") -> Self:
        """Send a checkpoint twice, as after a lost response, or deliver its response twice."""
        if what not in ("request", "response"):
            raise ConfigError(f"what= is 'request' or 'response', not {what!r}")
        return self._plan(f"repeated {what}", _number("checkpoint", checkpoint), what)

    def repeat_invocation(self, invocation: int) -> Self:
        """Invoke the handler twice with the same event, as Lambda's at-least-once delivery may."""
        return self._plan("invocation", _number("invocation", invocation), True)  # noqa: FBT003

    def shuffle(self, seed: int) -> Self:
        """Delay calls and ``async`` step bodies at random, and send batches of random size.

        Operations then complete in a random order. The same seed repeats it, except for steps that are
        plain functions and run in threads.
        """
        self.chance = random.Random(seed)  # noqa: S311 - a schedule is no secret
        self.most_updates = self.chance.choice((1, 2, 3, MAX_BATCH_UPDATES))
        return self

    def on_crash(self, forget: Callable[[], object]) -> Self:
        """Call ``forget`` at each crash, to clear state that a dying process loses, such as caches."""
        self._on_crash = forget
        return self

    def count_awaits(self) -> Self:
        """Count the awaits of each body, so that later runs can crash at each of them."""
        self.awaits = {}
        return self

    # Methods for the wrappers that inject the faults

    @property
    def is_calm(self) -> bool:
        """True if calls pass unchanged: no fault is planned, nothing is shuffled, the process is alive."""
        return not self._planned and self.chance is None and not self._is_dead

    def take(self, kind: str, key: Hashable) -> object:
        """Remove and return the planned fault of this kind and place, or ``None``."""
        return self._planned.pop((kind, key), None)

    def body_begins(self, run: BodyRun) -> int | None:
        """Record a run of a body; return the number of the await to crash at, or ``None``."""
        self.bodies.append(run)
        if not self._planned:
            return None
        for name in (run.name, run.operation_id):
            at_await = self.take("cut", (name, run.attempt))
            if isinstance(at_await, int):
                return at_await
        return None

    def body_awaits(self, run: BodyRun, count: int) -> None:
        """Record that a body has reached its n-th await."""
        if self.awaits is not None:
            self.awaits[run.operation_id, run.attempt] = count

    def cut_missed(self, run: BodyRun, at_await: int) -> None:
        """Plan the crash again: the body ended before that await."""
        self._planned["cut", (run.name or run.operation_id, run.attempt)] = at_await

    def execution_begins(self) -> None:
        """Reset the counters for another execution."""
        self.checkpoints = self.invocations = 0
        self.bodies = []
        if self.awaits is not None:
            self.awaits = {}

    def invocation_begins(self) -> int:
        """Begin an invocation in a live process; return its number."""
        self._is_dead = False
        self.invocations += 1
        return self.invocations

    def checkpoint_begins(self) -> int:
        """Count a checkpoint that is about to be sent; return its number."""
        self.check_alive()
        self.checkpoints += 1
        return self.checkpoints

    @property
    def has_crashed(self) -> bool:
        """True from a crash until the next invocation begins."""
        return self._is_dead

    def check_alive(self) -> None:
        """Raise ``ServiceError`` if the process is dead: its calls no longer reach the service."""
        if self._is_dead:
            raise ServiceError("the process is dead", status=500)

    def cut_off(self) -> None:
        """Fail all further calls of the invocation."""
        self._is_dead = True

    def die(self) -> SystemExit:
        """Mark the process as dead, and return the exception to raise."""
        self.cut_off()
        if self._on_crash is not None:
            self._on_crash()
        return SystemExit(137)

    @property
    def left(self) -> list[str]:
        """The planned faults that have not happened."""
        return [_call_text(kind, key, what) for (kind, key), what in self._planned.items()]

    def _plan(self, kind: str, key: Hashable, what: object) -> Self:
        if (kind, key) in self._planned:
            raise ConfigError(f"there is such a fault already: {_call_text(kind, key, what)}")
        self._planned[kind, key] = what
        return self


def _number(what: str, number: int) -> int:
    if type(number) is not int or number < 1:
        raise ConfigError(f"{what}= is a whole number from 1, not {number!r}")
    return number


def _call_text(kind: str, key: object, what: object) -> str:
    match kind:
        case "crash":
            return f"crash_at(checkpoint={key}, when={what!r})"
        case "cut":
            step, attempt = cast("tuple[str, int]", key)
            return f"crash_in({step!r}, attempt={attempt}, at_await={what})"
        case "throttle":
            return f"throttle(checkpoint={key}, times={what})"
        case "slow":
            return f"slow_down(checkpoint={key}, by={what})"
        case "invocation":
            return f"repeat_invocation({key})"
        case _:
            return f"repeat(checkpoint={key}, what={what!r})"
