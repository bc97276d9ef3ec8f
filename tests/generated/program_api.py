"""The names that generated programs use, and the record of their effects outside.

A key names the place of a program to which an observation or a body belongs. It is the same on every
replay and different for each turn of a loop. The part before its last ``/`` is the context's.
"""

from __future__ import annotations

# ruff: noqa: F401 - programs use these names
import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import random
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import msgspec
from tests.generated.clock import HeldCall, VirtualClock
from tests.generated.service import Service

from durable_execution_sdk import (
    CallbackConfig,
    ChildConfig,
    CompletionConfig,
    DurableContext,
    Duration,
    FixedDelay,
    InvokeConfig,
    JitterStrategy,
    MapConfig,
    NestingType,
    NoRetry,
    ParallelConfig,
    Settled,
    StepConfig,
    StepContext,
    StepSemantics,
    WaitForConditionConfig,
    WithRetryConfig,
    poll_until,
)

ONE_TRY = StepConfig(retry_strategy=NoRetry())
RETRIED = StepConfig(retry_strategy=FixedDelay(max_attempts=9, delay=Duration.from_seconds(2)))
ONCE = StepConfig(
    retry_strategy=FixedDelay(max_attempts=9, delay=Duration.from_seconds(1)),
    semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY,
)
VIRTUAL = ChildConfig(virtual=True)
TWICE = WithRetryConfig(retry_strategy=FixedDelay(max_attempts=2, delay=Duration.from_seconds(1)))
TOLERANT = CompletionConfig(tolerated_failure_percentage=100)


class Declined(Exception):
    """An error that a generated program raises."""


class Killed(SystemExit):
    """Raised where the process of this invocation dies."""


class Meeting:
    """Lets threads go on when so many of them have come, and the clock while they have not."""

    def __init__(self, count: int, clock: VirtualClock) -> None:
        self._count = count
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: list[threading.Event] = []
        self._have_met = False

    def arrive(self) -> None:
        """Wait for the others; not for ever, for some may have died with their process."""
        with self._lock:
            if self._have_met:
                return
            if len(self._waiting) + 1 == self._count:
                self._have_met = True
                self._let_go()
                return
            go = threading.Event()
            self._waiting.append(go)
            self._clock.idles(1)
        go.wait()
        if not self._have_met:
            raise threading.BrokenBarrierError

    @property
    def is_awaited(self) -> bool:
        """True if threads wait for others that have yet to come."""
        with self._lock:
            return bool(self._waiting)

    def end(self) -> None:
        """Nothing more comes in this process."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._clock.idles(-len(waiting))
        for go in waiting:
            go.set()


@dataclass
class Trace:
    """The observations, bodies and log lines of an execution's invocations, and the faults found in them."""

    service: Service | None = None
    clock: VirtualClock | None = None
    chance: random.Random = field(default_factory=random.Random)
    observations: list[list[tuple[str, Any]]] = field(default_factory=list)
    bodies: Counter[tuple[str, int]] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    # True once the process of the present invocation has died; code that still unwinds does not count.
    dead: bool = False
    # The workflow of the present invocation, once its code has observed something.
    workflow: Any = None
    # True if the log may not grow: bodies block.
    frozen: bool = False
    # The number of bodies until the process dies in one, if it does.
    dies_in_body: int | None = None
    # Whether a crash now is one that replay can bear.
    may_die: Callable[[], bool] = lambda: True
    crashes: int = 0
    # How many bodies of the present process are on their way to their effect.
    running: int = 0
    slow: bool = True
    # True if a warning about tasks that ignore their cancellation is expected.
    expects_stubborn: bool = False
    # The program leaves what it waits for, by a timeout or an error for instance.
    gives_up: bool = False
    # It starts task groups of anyio.
    has_groups: bool = False
    # The SDK may refuse what the program does.
    may_be_refused: bool = False
    meetings: dict[str, Meeting] = field(default_factory=dict)
    collect: Callable[[str], None] = lambda _where: None
    # The answers about patches by key, in place of the SDK's; other keys get False.
    forced: dict[str, Any] | None = None
    stirring: random.Random = field(default_factory=random.Random)
    _blocks: list[bytes] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        """Prepare for another invocation."""
        self.dead = False
        self.running = 0
        self.workflow = None
        self.observations.append([])
        self._stir()

    def end(self) -> None:
        """An invocation is over: threads that wait for each other in it get no further."""
        for meeting in self.meetings.values():
            meeting.end()

    def meeting(self, place: str, count: int) -> Meeting:
        """Return the meeting of so many threads; once they have met, none waits any more."""
        with self._lock:
            return self.meetings.setdefault(place, Meeting(count, self.clock or VirtualClock()))

    def _stir(self) -> None:
        """Scramble the addresses of objects that are made from now on."""
        # Blocks of the sizes of futures and tasks, of which a random half is freed again.
        blocks = [bytes(size) for size in range(100, 330, 16) for _ in range(40)]
        kept = self.stirring.getrandbits(len(blocks))
        order = self.stirring.getrandbits(4) * 2 + 1
        blocks = blocks[::order] + blocks[1::order]
        self._blocks = [block for n, block in enumerate(blocks) if kept >> n & 1]

    def check_lives(self, ctx: DurableContext) -> None:
        """Check that code of an earlier invocation does not run in a later one."""
        workflow = ctx._context_state.run
        if self.workflow is None and not workflow.is_ending:
            self.workflow = workflow
        elif self.workflow is not None and workflow is not self.workflow:
            self.find("code of an earlier invocation runs in a later one")

    def find(self, what: str) -> None:
        """Record a fault."""
        if what not in self.findings:
            self.findings.append(what)

    def die(self) -> Killed:
        """Let the process die: return the exception to raise."""
        self.dead = True
        self.crashes += 1
        self.end()
        return Killed("the process dies here")

    async def pause(self, longest: float = 4.0) -> None:
        """Pause for a random number of turns of the loop, and sometimes for a time."""
        if not self.slow:
            return
        kind = self.chance.random()
        if kind < 0.15:
            await asyncio.sleep(min(self.chance.choice((0.01, 0.3, 1.7, 4.0)), longest))
        for _ in range(40 if kind > 0.97 else self.chance.randrange(4)):
            await asyncio.sleep(0)

    def enter_body(self, key: str, *, once: bool = False) -> None:
        """Begin a body; let the process die in it if the schedule says so."""
        if self.dead:
            raise asyncio.CancelledError
        step = StepContext.current()
        self.admit(key, step.operation_id, step.attempt, once=once)
        if self.dies_in_body is not None:
            self.dies_in_body -= 1
            if self.dies_in_body <= 0 and self.may_die():
                self.dies_in_body = None
                raise self.die()
        if self.clock is not None and self.clock.entered is not None:
            self.clock.entered += 1

    def admit(self, key: str, operation_id: str, attempt: int, *, once: bool) -> None:
        """Count a body, and check by the log that it may run."""
        with self._lock:
            count = self.bodies[key, attempt] = self.bodies[key, attempt] + 1
        if self.frozen:
            return
        op = self.service.operations.get(operation_id) if self.service else None
        status = op["Status"] if op else None
        if status in ("SUCCEEDED", "FAILED"):
            self.find(f"the body of {key} ran though its step is recorded as {status}")
        if once and status != "STARTED":
            self.find(f"the at-most-once body of {key} ran before its start was recorded: {status}")
        if once and count > 1:
            self.find(f"the at-most-once body of {key} ran {count} times in attempt {attempt}")
        if count > 1 and not self.crashes:
            self.find(f"the body of {key} ran {count} times in attempt {attempt}, undisturbed")

    def observe(self, key: str, shown: Any) -> None:
        """Record an observation of workflow code."""
        self.observations[-1].append((key, shown))

    async def body(self, key: str, *, once: bool = False) -> None:
        """Run the body of a step, up to its effect."""
        self.enter_body(key, once=once)
        if self.frozen:
            await asyncio.get_running_loop().create_future()
        self.collect("body")
        self.running += 1
        try:
            await self.pause()
        finally:
            self.running -= 1
        if self.dead:
            raise asyncio.CancelledError


WORLD = Trace()


def play_in(trace: Trace) -> None:
    """Let programs write to this trace from now on."""
    global WORLD
    WORLD = trace


# Functions that programs call.


def is_unwinding(ctx: DurableContext) -> bool:
    """Return ``True`` if the invocation is over, and this code only cleans up."""
    workflow = ctx._context_state.run
    return workflow.is_ending or workflow.verdict is not None or ctx._context_state.is_over


def see(ctx: DurableContext, key: str, value: Any = None) -> Any:
    """Record an observation of workflow code; return it as plain data."""
    trace = WORLD
    shown = plain(value)
    trace.check_lives(ctx)
    if not trace.dead and not is_unwinding(ctx):
        trace.observe(key, shown)
        ctx.logger.info(key)
        trace.collect("see")
    return shown


def asks(ctx: DurableContext, key: str, patch_id: str, *, each_time: bool = False) -> bool:
    """Ask for a patch, and record the answer."""
    if WORLD.forced is not None:
        return WORLD.forced.get(f"{key}?", False) is True
    answer = ctx.patched(patch_id, each_time=each_time)
    see(ctx, f"{key}?", answer)
    return answer


def plain(value: Any) -> Any:
    """Convert a value or an error to plain data."""
    if isinstance(value, str):
        return value[:300]
    if isinstance(value, BaseExceptionGroup):
        return [type(value).__name__, [plain(item) for item in value.exceptions]]
    if isinstance(value, BaseException):
        # asyncio numbers tasks through the whole process, and messages may name them.
        return re.sub(r"Task-\d+", "Task", f"{type(value).__name__}: {value}")[:300]
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Settled):
        return plain(value.error if value.error else value.value)
    results = getattr(value, "results", None)
    if results is not None:
        return [plain(item) for item in results()]
    return f"<{type(value).__name__}>"


def seconds(count: float) -> Duration:
    return Duration.from_seconds(count)


# The bodies of steps.


async def work(key: str, value: Any = None) -> Any:
    await WORLD.body(key)
    return key if value is None else value


async def pay(key: str) -> str:
    """Run at most once in an attempt."""
    await WORLD.body(key, once=True)
    return key


def lookup(key: str) -> str:
    """Run as a plain function, in a thread."""
    WORLD.enter_body(key)
    return key


async def flaky(key: str, until: int = 2) -> str:
    """Fail before attempt ``until``."""
    attempt = StepContext.current().attempt
    await WORLD.body(key)
    if attempt < until:
        raise Declined(f"{key} not yet")
    return key


async def fails(key: str) -> str:
    await WORLD.body(key)
    raise Declined(key)


async def chunks(count: int = 10) -> AsyncIterator[int]:
    for n in range(count):
        await asyncio.sleep(0)
        yield n


async def ask(key: str) -> str:
    """Read the beginning of a stream, and leave it to the garbage collector, in a cycle."""
    await WORLD.body(key)
    last: Exception | None = None
    for attempt in range(2):
        try:
            if attempt == 0:
                raise ConnectionError("again")
            stream = chunks()
            async for n in stream:
                if n == 1:
                    return key
        except ConnectionError as error:
            last = error
    raise last or AssertionError


def meet(key: str, count: int) -> str:
    """Block in a thread until so many of these run at once."""
    trace = WORLD
    trace.enter_body(key)
    place = key.rpartition("-")[0]
    if not trace.frozen:
        trace.meeting(place, count).arrive()
    return key


async def meddle(key: str) -> str:
    """Set the task factory, as the set-up of a library may."""
    await WORLD.body(key)
    eager = getattr(asyncio, "eager_task_factory", None)
    asyncio.get_running_loop().set_task_factory(eager)
    return key


async def give(callback_id: str, key: str) -> None:
    """Schedule a successful answer to a callback."""
    trace = WORLD
    await trace.body(f"{key}!")
    assert trace.service is not None
    answer = msgspec.json.encode(key).decode()
    trace.service.answer(callback_id, answer, None, trace.chance.choice((0.0, 0.2, 3.0)))


async def deny(callback_id: str, key: str) -> None:
    """Schedule a failure as the answer to a callback."""
    trace = WORLD
    await trace.body(f"{key}!")
    assert trace.service is not None
    error = {"ErrorType": "Denied", "ErrorMessage": key}
    trace.service.answer(callback_id, None, error, trace.chance.choice((0.0, 0.2, 3.0)))


def until(ctx: DurableContext, key: str, count: int, timeout: int | None = None) -> Any:
    """Start a ``wait_for_condition`` that checks ``count`` times."""

    async def look(state: int) -> int:
        await WORLD.body(f"{key}-{state}")
        return state + 1

    strategy = poll_until(
        lambda state: state >= count, initial_delay=seconds(2), jitter=JitterStrategy.NONE
    )
    limit = None if timeout is None else seconds(timeout)
    return ctx.wait_for_condition(
        look, WaitForConditionConfig(initial_state=0, wait_strategy=strategy, timeout=limit)
    )


async def undo(value: Any) -> None:
    """Compensate a step that returned this value."""
    await WORLD.body(f"{value}~")


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def guard(ctx: DurableContext, key: str) -> AsyncIterator[str]:
    """Hold a resource that steps take and give back."""
    token = await ctx.step(work, f"{key}.take", name="guard")
    try:
        yield token
    finally:
        see(ctx, f"{key}.back", await ctx.step(work, f"{key}.back", name="guard"))


async def in_thread(how: int) -> str:
    """Work of the workflow's own in a thread."""
    clock, call = WORLD.clock, HeldCall()
    if clock is None:
        call.go.set()
    else:
        clock.holds(call)
    try:
        match how:
            case 0:
                return await asyncio.to_thread(call)
            case 1:
                return await anyio.to_thread.run_sync(call)
            case _:
                executor = concurrent.futures.ThreadPoolExecutor(1)
                try:
                    return await asyncio.wrap_future(executor.submit(call))
                finally:
                    executor.shutdown(wait=False)
    finally:
        if clock is not None:
            clock.lets_go(call)


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")

NAMES: dict[str, Any] = {
    name: value
    for name, value in globals().items()
    if not name.startswith("_")
    and name not in ("WORLD", "Trace", "play_in", "annotations", "Service")
}
