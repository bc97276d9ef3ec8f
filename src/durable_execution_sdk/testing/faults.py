"""What is to go wrong in an execution, and when: crashes, throttling, slow and repeated calls."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from datetime import timedelta
from typing import Literal, Self, cast

import msgspec

from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.replay.arguments import Arguments
from durable_execution_sdk.testing.lengths import length

__all__ = ["BodyRun", "Faults", "Repeated", "When"]

When = Literal["before", "after", "response_lost"]
"""Before a checkpoint reaches the service, after it has, or after it has with the answer lost."""

Repeated = Literal["request", "response"]
"""The checkpoint is sent twice, or what it is answered is delivered twice."""


class BodyRun(msgspec.Struct, frozen=True):
    """One run of a step's body: in which attempt, and in which invocation, both from 1."""

    operation_id: str
    name: str | None
    attempt: int
    at_most_once: bool
    invocation: int

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"attempt {self.attempt} of step {self.name or self.operation_id!r}"


class Faults:
    """The faults of one runner: ``runner.faults``. Plan them before the execution runs.

    They befall the execution of the workflow that is tested, not those that it invokes. Checkpoints
    are its calls that record something, numbered from 1 over all of its invocations; invocations are
    numbered from 1 too. Each fault happens once. One that never got its turn fails the run, so that
    no test believes to have seen what did not happen.

    A crash is a cut: nothing more is recorded, the workflow's tasks are unwound (so clean-up code
    does run, as it would not in a process that is killed), the invocation counts as failed, and the
    next one starts from the log.
    """

    def __init__(self) -> None:
        self.checkpoints = 0
        self.invocations = 0
        self.bodies: list[BodyRun] = []
        self.awaits: dict[tuple[str, int], int] | None = None
        self.arguments: Arguments | None = None
        self.chance: random.Random | None = None
        self.most_updates: int | None = None
        self._planned: dict[tuple[str, Hashable], object] = {}
        self._is_dead = False
        self._on_crash: Callable[[], object] | None = None

    # What a test plans

    def crash_at(self, *, checkpoint: int, when: When = "before") -> Self:
        """Kill the process at a checkpoint.

        ``before``: the service has not heard of it; ``after``: it has recorded it, and the process
        dies before it knows; ``response_lost``: it has recorded it, the answer never comes, and the
        SDK gives the invocation up.
        """
        if when not in ("before", "after", "response_lost"):
            raise ConfigError(f"when= is 'before', 'after' or 'response_lost', not {when!r}")
        return self._plan("crash", _number("checkpoint", checkpoint), when)

    def crash_in(self, step: str, *, attempt: int = 1, at_await: int = 1) -> Self:
        """Kill the process in the middle of a step's body: it has begun, and has no end in the log.

        An ``async`` body is cut at its first await, or at a later one, and one that awaits nothing at
        its end; a plain function runs on in its thread, unheard. ``step`` is the step's name or its
        operation id; of several with a name it is the first that runs.
        """
        key = (step, _number("attempt", attempt))
        return self._plan("cut", key, _number("at_await", at_await))

    def throttle(self, *, checkpoint: int = 1, times: int = 1) -> Self:
        """Refuse a checkpoint with ``ThrottlingException`` so many times.

        The call is tried again as the client for Lambda's API does: five times in all, with backoff.
        After that the invocation fails, and the service invokes again.
        """
        return self._plan("throttle", _number("checkpoint", checkpoint), _number("times", times))

    def slow_down(self, *, checkpoint: int, by: DurationLike) -> Self:
        """Let the call of a checkpoint take so long, on the runner's clock."""
        time = length("by=", by, timedelta(0))
        return self._plan("slow", _number("checkpoint", checkpoint), time)

    def repeat(self, *, checkpoint: int, what: Repeated = "request") -> Self:
        """Send a checkpoint twice, as after a lost answer, or deliver what it is answered twice."""
        if what not in ("request", "response"):
            raise ConfigError(f"what= is 'request' or 'response', not {what!r}")
        return self._plan(f"repeated {what}", _number("checkpoint", checkpoint), what)

    def repeat_invocation(self, invocation: int) -> Self:
        """Invoke the handler twice with the same event: Lambda delivers at least once."""
        return self._plan("invocation", _number("invocation", invocation), True)  # noqa: FBT003

    def shuffle(self, seed: int) -> Self:
        """Let calls and step bodies take turns of random length, and batches be of random size.

        Everything that may end in another order does. The same seed does the same again, as far as
        the steps are ``async`` functions; what runs in threads has its own pace.
        """
        self.chance = random.Random(seed)  # noqa: S311 - a schedule is no secret
        self.most_updates = self.chance.choice((1, 2, 3, 250))
        return self

    def on_crash(self, forget: Callable[[], object]) -> Self:
        """Call this at each crash: to forget what a process that dies forgets, such as caches."""
        self._on_crash = forget
        return self

    def count_awaits(self) -> Self:
        """Count the awaits of each body, so that it can be cut at each of them in later runs."""
        self.awaits = {}
        return self

    def compare_arguments(self) -> Self:
        """Take down what each step is given, in each invocation."""
        self.arguments = Arguments()
        return self

    # What befalls the execution

    @property
    def is_calm(self) -> bool:
        """Whether nothing more is to befall it."""
        return not self._planned and self.chance is None and not self._is_dead

    def take(self, kind: str, key: Hashable) -> object:
        """The fault of this kind that is planned for this place; it does not happen again."""
        return self._planned.pop((kind, key), None)

    def body_begins(self, run: BodyRun) -> int | None:
        """Note that a body runs; returns the await at which it is to be cut, if it is."""
        self.bodies.append(run)
        if not self._planned:
            return None
        for name in (run.name, run.operation_id):
            at_await = self.take("cut", (name, run.attempt))
            if isinstance(at_await, int):
                return at_await
        return None

    def body_awaits(self, run: BodyRun, count: int) -> None:
        """Note that a body has come to its n-th await."""
        if self.awaits is not None:
            self.awaits[run.operation_id, run.attempt] = count

    def cut_missed(self, run: BodyRun, at_await: int) -> None:
        """The body came to its end before it came to that await."""
        self._planned["cut", (run.name or run.operation_id, run.attempt)] = at_await

    def execution_begins(self) -> None:
        """Another execution: count from 1 again."""
        self.checkpoints = self.invocations = 0
        self.bodies = []
        if self.awaits is not None:
            self.awaits = {}

    def invocation_begins(self) -> int:
        """A process is there again; returns the number of the invocation."""
        self._is_dead = False
        self.invocations += 1
        return self.invocations

    def checkpoint_begins(self) -> int:
        """The number of the checkpoint that is about to be sent."""
        self.check_alive()
        self.checkpoints += 1
        return self.checkpoints

    def check_alive(self) -> None:
        """Nothing reaches the service from a process that is dead."""
        if self._is_dead:
            raise ServiceError("the process is dead", status=500)

    def cut_off(self) -> None:
        """From here on the invocation hears nothing from the service."""
        self._is_dead = True

    def die(self) -> SystemExit:
        """The end of the process, to be raised."""
        self.cut_off()
        if self._on_crash is not None:
            self._on_crash()
        return SystemExit(137)

    @property
    def left(self) -> list[str]:
        """The planned faults that have not happened."""
        return [_told(kind, key, what) for (kind, key), what in self._planned.items()]

    def _plan(self, kind: str, key: Hashable, what: object) -> Self:
        if (kind, key) in self._planned:
            raise ConfigError(f"there is such a fault already: {_told(kind, key, what)}")
        self._planned[kind, key] = what
        return self


def _number(what: str, number: int) -> int:
    if type(number) is not int or number < 1:
        raise ConfigError(f"{what}= counts from 1; {number!r} does not")
    return number


def _told(kind: str, key: object, what: object) -> str:
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
