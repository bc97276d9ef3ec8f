"""Runs a program under schedules, and reports violations of the laws.

Each invocation gets a raw event of the wire and a fresh handler. Compared are the observations of the
invocations of an execution (a later one repeats those of an earlier one, and goes on), replays of the log
at every cut, and the runs of bodies. Between executions of a program whose result does not depend on time,
the results and logs are compared too.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import random
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import msgspec
from tests.generated import program_api
from tests.generated.clock import Stuck, VirtualClock, forget_environment, forget_refusals
from tests.generated.program_api import Declined, Killed, Trace
from tests.generated.programs import GIVING_UP, REFUSABLE, REFUSALS, SELF_CANCELLED, Program
from tests.generated.schedules import Schedule, collector_of
from tests.generated.service import (
    BEGAN,
    ENDED,
    Json,
    ProtocolError,
    Refusal,
    Service,
    Snapshot,
    event_of,
    page_of,
)

from durable_execution_sdk import (
    DurableHandler,
    InvocationError,
    ReplayLogging,
    durable_execution,
)
from durable_execution_sdk.errors import OperationError, ServiceError
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.runtime.tasks.numbered_task import out_of_reach

MOST_INVOCATIONS = 120
# Names of operations that are recorded only if they mattered.
_MARKS = ("asyncio timer", "inbox.get timeout", "asyncio thread", "late news")
INPUT = '"input"'
LOGGER = logging.getLogger("generated")
Observed = list[tuple[str, Any]]
Workflow = Callable[..., Any]


@dataclass
class Execution:
    """The outcome of one execution."""

    schedule: Schedule
    trace: Trace
    service: Service
    status: str = "RUNNING"
    result: Any = None
    error: Any = None
    calls: int = 0
    invocations: int = 0
    # For each invocation, ``True`` if the process died in it.
    cut: list[bool] = field(default_factory=list)
    # The log as it stood when a process had died, if the next invocation was told news.
    deaths: list[Snapshot] = field(default_factory=list)

    def log(self) -> dict[str, tuple[Any, ...]]:
        """Return the operations in the log, without members that depend on time."""
        members = ("Type", "SubType", "Name", "ParentId", "Status")
        return {
            key: tuple(op.get(member) for member in members)
            for key, op in self.service.operations.items()
            if op.get("Name") not in _MARKS and op["Type"] != "EXECUTION"
        }


# The answer to calls of a dead process, so that its tasks unwind; the service gets none of them.
_NOTHING_MORE = CheckpointResponse(checkpoint_token=None)


class Client:
    """The data plane of one execution, with JSON encoding, delays and crashes."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Make a call, unless the process dies before it or before its answer."""
        execution, trace = self._execution, self._execution.trace
        if trace.dead:
            return _NOTHING_MORE
        execution.calls += 1
        crash, number = execution.schedule.crash, execution.calls
        # A service that takes longer than a short budget would let no execution end.
        longest = 4.0 if execution.schedule.budget >= 900 else 0.3
        body = codec.encode_checkpoint(request)
        await trace.pause(longest)
        if crash == (number, "before") and trace.may_die():
            raise trace.die()
        if trace.dead:
            return _NOTHING_MORE
        try:
            answer = execution.service.checkpoint(body)
        except ProtocolError as error:
            trace.find(f"protocol: {error}")
            raise
        except Refusal as error:
            raise _refusal(str(error)) from error
        if crash == (number, "after") and trace.may_die():
            raise trace.die()
        await trace.pause(longest)
        return _NOTHING_MORE if trace.dead else codec.decode_checkpoint_response(answer)

    def send_checkpoint(
        self, request: CheckpointRequest, sender: asyncio.Task[None], answered: Callable[[], object]
    ) -> SentCall | None:
        """Send a checkpoint without a turn of the loop, as over a connection that is open: two of three times."""
        execution = self._execution
        if (execution.schedule.seed + execution.calls) % 3 == 0:
            return None
        return SentCall(self.checkpoint(request), sender.get_loop(), answered)

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page."""
        await self._execution.trace.pause(0.01)
        body = self._execution.service.state(request.checkpoint_token, request.marker)
        return codec.decode_state_page(body)

    def now(self) -> int:
        """The service's time."""
        return self._execution.service.now()


def _refusal(text: str) -> ServiceError:
    return ServiceError(text, code="InvalidParameterValueException", status=400)


class SentCall:
    """A call that was sent without a turn of the loop."""

    def __init__(
        self,
        call: Coroutine[Any, Any, CheckpointResponse],
        loop: asyncio.AbstractEventLoop,
        answered: Callable[[], object],
    ) -> None:
        context = Context()  # that of no workflow code
        self._task = asyncio.Task(call, loop=loop, context=context)
        out_of_reach(self._task)
        self._task.add_done_callback(lambda _: answered(), context=context)

    def answer(self) -> CheckpointResponse | None:
        """Return the answer if it came and is a success."""
        failed = self._task.cancelled() or self._task.exception() is not None
        return None if failed else self._task.result()

    async def finish(self) -> CheckpointResponse:
        """Wait for the answer; a process that has died in the call gets none."""
        if self._task.done() and isinstance(self._task.exception(), Killed):
            return _NOTHING_MORE
        return await self._task

    def close(self) -> None:
        """Wait for no answer."""
        self._task.cancel()


class FrozenClient:
    """A data plane with a fixed log, which answers checkpoints without a token, so that the invocation ends.

    But it refuses the CANCEL of a wait, as a service may, and the invocation goes on. An execution whose service
    takes no CANCEL ends while waits that its code has cancelled are STARTED. Replay asks for their CANCEL, and has
    to end the same way all the same.
    """

    def __init__(self, clock: VirtualClock, snapshot: Snapshot, page: int | None) -> None:
        self.updates: list[Json] = []
        self._has_refused = False
        self._clock = clock
        self._began_at = clock.now
        self._operations = snapshot.operations
        self._page = page or 100

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record the updates, and refuse those that are nothing but CANCELs."""
        updates: list[Json] = msgspec.to_builtins(request.updates)
        self.updates += updates
        await asyncio.sleep(0.001)
        # The SDK makes the call that was refused again, without the CANCELs.
        is_made_again, self._has_refused = self._has_refused and not updates, False
        if is_made_again:
            return CheckpointResponse(checkpoint_token="token")
        if updates and all(each["Action"] == "CANCEL" for each in updates):
            self._has_refused = True
            raise _refusal("the log does not grow")
        return CheckpointResponse(checkpoint_token=None)

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page."""
        return codec.decode_state_page(page_of(self._operations, request.marker, self._page))

    def now(self) -> int:
        """The service's time."""
        return BEGAN + round((self._clock.now - self._began_at) * 1000)


class LambdaContext:
    """The context object that Lambda's runtime passes to a handler."""

    aws_request_id = "request"

    def __init__(self, clock: VirtualClock, budget: float) -> None:
        self._clock = clock
        self._ends_at = clock.now + budget

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that this invocation has left."""
        return round((self._ends_at - self._clock.now) * 1000)


class Playing:
    """The runner of one program."""

    def __init__(self, program: Program, workflow: Workflow) -> None:
        self.program = program
        self.workflow = workflow

    def run(
        self,
        schedule: Schedule,
        continued: Execution | None = None,
        *,
        until_death: bool = False,
        until: int | None = None,
        forced: dict[str, Any] | None = None,
    ) -> Execution:
        """Run to the end under a schedule, or until so many invocations have ended.

        ``continued`` is an execution that another version of the program began, to go on with. ``forced`` are the
        answers that the program gets about patches.
        """
        clock = continued.service.clock if continued else VirtualClock()
        trace = Trace(chance=random.Random(schedule.seed), slow=schedule.slow)
        service = continued.service if continued else Service(clock, INPUT, schedule.page)
        trace.service = service
        trace.forced = forced
        trace.clock = clock
        clock.entered = 0
        clock.chance.seed(schedule.seed)
        trace.expects_stubborn = "swallow" in self.program.kinds
        trace.may_be_refused = bool(self.program.kinds & REFUSABLE)
        trace.gives_up = bool(self.program.kinds & GIVING_UP)
        trace.has_groups = "anyio_group" in self.program.kinds
        trace.stirring.seed(schedule.seed)
        trace.collect = collector_of(schedule)
        if schedule.crash and schedule.crash[1] == "in body":
            trace.dies_in_body = schedule.crash[0]
        chance = random.Random(schedule.seed + 1)
        service.holds_back = lambda: schedule.late and chance.random() < 0.6
        service.is_sure_to_call = lambda: trace.running > 0
        service.refuses = schedule.refuses
        trace.may_die = lambda: not schedule.late or service.is_in_order
        service.latency = lambda: chance.choice((0.1, 0.5, 3.0)) if schedule.slow else 0.5
        execution = Execution(schedule, trace, service)
        with recording_logs(trace), clock.installed():
            with schedule.applied():
                self._until_closed(execution, clock, until_death=until_death, until=until)
            # Warnings at a garbage collection belong to this execution.
            gc.collect()
        return execution

    def interrupted(self, schedule: Schedule) -> Execution | None:
        """Run until the process dies; return ``None`` if it does not."""
        execution = self.run(schedule, until_death=True)
        return execution if execution.trace.crashes else None

    def _until_closed(
        self,
        execution: Execution,
        clock: VirtualClock,
        *,
        until_death: bool,
        until: int | None = None,
    ) -> None:
        trace, service = execution.trace, execution.service
        while execution.status == "RUNNING" and not (until_death and trace.crashes):
            if execution.invocations == until:
                return
            execution.invocations += 1
            if execution.invocations > MOST_INVOCATIONS:
                trace.find(f"no end after {MOST_INVOCATIONS} invocations")
                return
            if execution.schedule.cold:
                forget_environment()
            handler = self.handler(execution.schedule, Client(execution))
            trace.end()
            clock.join()
            died_with = service._visible() if execution.cut and execution.cut[-1] else ()
            event = service.begin()
            if died_with and event["UpdatedOperationIds"]:
                execution.deaths.append(Snapshot(died_with, ()))
            trace.begin()
            outcome: Json | None = None
            with suppress(Killed):
                outcome = self._call(trace, clock, handler, event, execution.schedule.budget)
            if trace.dead:
                service.end()
                execution.cut.append(True)
                forget_refusals()
                # What complains when it is collected is the dead process's. The exception no longer refers to it.
                gc.collect()
                clock.jump(1.0)
                continue
            execution.cut.append(False)
            if outcome is None:
                return
            service.end()
            self._conclude(execution, outcome)

    def _call(
        self,
        trace: Trace,
        clock: VirtualClock,
        handler: DurableHandler[Any, Any],
        event: Json,
        budget: float = 900.0,
    ) -> Json | None:
        program_api.play_in(trace)
        clock.take_over()
        ends_at = clock.now + budget
        try:
            outcome = handler(event, LambdaContext(clock, budget))
            if clock.now > ends_at and not trace.dead:
                trace.find(
                    f"the answer came {clock.now - ends_at:g} s after the function's timeout"
                )
            if trace.dead:
                raise Killed("it answered after its process had died")
            return outcome
        except Killed:
            raise
        except Stuck as error:
            forget_environment()
            trace.find(f"stuck: {error}")
        except BaseException as error:
            if trace.dead:
                raise Killed from error
            if trace.frozen and isinstance(error, InvocationError):
                return None  # a body that had begun before would go on for ever
            if budget < 900 and isinstance(error, InvocationError) and "time is" in str(error):
                raise trace.die() from error
            trace.find(f"the invocation raised {type(error).__name__}: {error}"[:300])
        return None

    def _conclude(self, execution: Execution, outcome: Json) -> None:
        trace, service = execution.trace, execution.service
        if outcome["Status"] == "PENDING":
            if not service.is_pending:
                trace.find("PENDING, and nothing is pending")
                execution.status = "HUNG"
            elif not service.jump():
                trace.find("PENDING for something that never comes")
                execution.status = "HUNG"
            return
        execution.status = outcome["Status"]
        result, execution.error = outcome.get("Result"), outcome.get("Error")
        if service.completed is not None and result == "":
            result = service.completed.get("Payload")
        execution.result = None if result is None else msgspec.json.decode(result)

    def replay(
        self, execution: Execution, snapshot: Snapshot
    ) -> tuple[Observed, Json | None, list[Json]]:
        """Invoke with a recorded log that does not grow; return observations, response and updates."""
        clock = VirtualClock()
        trace = Trace(service=None, frozen=True)
        trace.clock = clock
        clock.entered = 0
        clock.chance.seed(len(snapshot.operations))
        trace.expects_stubborn = execution.trace.expects_stubborn
        trace.may_be_refused = execution.trace.may_be_refused
        trace.gives_up = execution.trace.gives_up
        trace.has_groups = execution.trace.has_groups
        trace.collect = execution.trace.collect
        trace.stirring = execution.trace.stirring
        client = FrozenClient(clock, snapshot, execution.schedule.page)
        size = execution.schedule.page or len(snapshot.operations)
        first = snapshot.operations[:size]
        more = len(first) < len(snapshot.operations)
        event = event_of(first, "token", snapshot.updated, more=more)
        trace.begin()
        with recording_logs(trace), clock.installed(), execution.schedule.applied():
            handler = self.handler(execution.schedule, client)
            outcome = self._call(trace, clock, handler, event)
            # What complains when it is collected is this replay's.
            gc.collect()
        for found in trace.findings:
            execution.trace.find(f"on replay: {found}")
        return trace.observations[-1], outcome, client.updates

    def handler(self, schedule: Schedule, client: Any) -> DurableHandler[Any, Any]:
        """Make a new handler of the program."""
        options = {"checkpointing": schedule.mode, "logger": LOGGER, "client": client}
        return durable_execution(replay_logging=ReplayLogging.NONE, **options)(self.workflow)


# Comparisons.


def extends(
    earlier: Observed, later: Observed, *, whole: bool = False, cut: bool = False
) -> str | None:
    """Describe how a later invocation contradicts an earlier one; return ``None`` if it does not.

    Observations inside contexts that ran in only one of the two are left out. With ``whole``, the later one
    must not go on after the earlier one's observations. With ``cut``, the later one ended early.
    """
    before, after = _in_contexts_of(earlier, later), _in_contexts_of(later, earlier)
    for n, entry in enumerate(before):
        if n >= len(after):
            if cut:
                break
            return f"observed {entry} as number {n}, and on replay nothing"
        if after[n] != entry:
            return f"observed {entry} as number {n}, and on replay {after[n]}"
    if whole and len(after) > len(before):
        return f"observed nothing as number {len(before)}, and on replay {after[len(before)]}"
    return None


def _in_contexts_of(observed: Observed, other: Observed) -> Observed:
    """Return the observations in contexts that ran in the other invocation too."""
    living = {context for key, _ in other for context in _contexts(key)} | {""}
    return [entry for entry in observed if entry[0].rpartition("/")[0] in living]


def _contexts(key: str) -> Iterator[str]:
    parts = key.split("/")[:-1]
    for n in range(1, len(parts) + 1):
        yield "/".join(parts[:n])


def check_execution(playing: Playing, execution: Execution, cuts: int) -> list[str]:
    """Return the faults of one execution."""
    trace, program = execution.trace, playing.program
    optimistic = execution.schedule.mode.name == "OPTIMISTIC"
    found = list(trace.findings)
    if execution.status not in ("SUCCEEDED", "FAILED"):
        return found or [f"the execution is {execution.status}"]
    refused = _was_refused(program, execution) or _is_of_a_task_group(program, execution)
    if (execution.status == "FAILED") != program.fails and not refused:
        found.append(f"the execution {execution.status}: {_brief(execution.error)}")
    for n, m in combinations(range(len(trace.observations)), 2):
        # An optimistic step's result may be seen and then lost with the process.
        if optimistic and execution.cut[n]:
            continue
        earlier, later = trace.observations[n], trace.observations[m]
        if wrong := extends(earlier, later, cut=execution.cut[m]):
            found.append(f"invocation {n + 1} of {execution.invocations} {wrong}")
            break
    found += _check_replays(playing, execution, 0 if optimistic else cuts)
    return [*found, *(each for each in trace.findings if each not in found)]


def _is_of_a_task_group(program: Program, execution: Execution) -> bool:
    """Tell if a scope of anyio let its cancellation out, as it does in plain asyncio too.

    Before Python 3.13 a failed ``TaskGroup`` leaves its task with a cancellation that is not taken back.
    """
    scopes = program.kinds & {"move_on", "cancel_scope", "anyio_group"}
    alike = sys.version_info < (3, 13) and scopes and "group" in program.kinds
    return bool(alike) and any(each in repr(execution.error) for each in SELF_CANCELLED)


def _was_refused(program: Program, execution: Execution) -> bool:
    """Tell if the execution ended because the SDK refused what the program did."""
    texts = REFUSALS + (SELF_CANCELLED if "all_tasks" in program.kinds else ())
    return bool(program.kinds & REFUSABLE) and any(each in repr(execution.error) for each in texts)


def _check_replays(playing: Playing, execution: Execution, cuts: int) -> Iterator[str]:
    last = execution.trace.observations[-1]
    snapshots = [each for each in execution.service.snapshots if each.is_in_order]
    rng = random.Random(execution.schedule.seed)
    for n in rng.sample(range(len(snapshots)), min(cuts, len(snapshots))):
        observed, outcome, _ = playing.replay(execution, snapshots[n])
        if wrong := extends(observed, last):
            yield f"replay of the log after {n} of {len(snapshots)} changes {wrong}"
        fails = playing.program.fails or execution.status == "FAILED"
        if outcome and outcome["Status"] == "FAILED" and not fails:
            yield f"replay of the log after {n} changes failed: {_brief(outcome.get('Error'))}"
    final = Snapshot(execution.service._visible(), ())
    if execution.service.completed is not None or execution.service.withholds_an_earlier_end:
        return
    observed, outcome, updates = playing.replay(execution, final)
    wrong = extends(last, observed, whole=True)
    # Once the SDK has refused something, the other tasks only go on until they are cancelled.
    if wrong and not _was_refused(playing.program, execution):
        yield f"replay of the whole log {wrong}"
    # In a racy program, operations that had not ended at the end may go on.
    ended = {op["Id"] for op in final.operations if op["Status"] in ENDED}
    if playing.program.is_racy:
        updates = [update for update in updates if update["Id"] in ended]
    if updates:
        first = {key: updates[0].get(key) for key in ("Type", "Action", "Name")}
        yield f"replay of the whole log asks for {len(updates)} updates, such as {first}"
    if outcome is not None:
        result = outcome.get("Result")
        told = None if result is None else msgspec.json.decode(result)
        if outcome["Status"] != execution.status:
            yield f"replay of the whole log {outcome['Status']}: {_brief(outcome.get('Error'))}"
        elif told != execution.result:
            yield "replay of the whole log has another result"


def check_agreement(program: Program, calm: Execution, other: Execution) -> Iterator[str]:
    """Yield the differences between two executions of a program whose result does not depend on time."""
    if program.is_racy or "SUCCEEDED" not in (calm.status, other.status):
        return
    if other.result != calm.result:
        yield f"the result differs from that of the calm run: {_difference(calm.result, other.result)}"
    one, two = Counter(calm.log().values()), Counter(other.log().values())
    if calm.log() != other.log():
        gone, new = one - two, two - one
        yield f"the log differs from that of the calm run: without {_few(gone)}, with {_few(new)}"
    mine, theirs = (Counter(map(repr, each.trace.observations[-1])) for each in (calm, other))
    whole = calm.invocations == other.invocations == 1
    if whole and mine != theirs:
        yield f"observations differ: without {_few(mine - theirs)}, with {_few(theirs - mine)}"
    once = Counter(other.trace.bodies)
    if not other.trace.crashes and once != calm.trace.bodies:
        gone, new = calm.trace.bodies - once, once - calm.trace.bodies
        yield f"bodies differ: without {_few(gone)}, with {_few(new)}"


def check_lines(playing: Playing, execution: Execution) -> Iterator[str]:
    """Check that each log line is written once in an undisturbed execution, and never lost.

    But if the log of a dead process is one that a suspended invocation would have left, and the service has
    news, then the next event is the same for both, and lines are taken for written.
    """
    seen = Counter(key for key, _ in execution.trace.observations[-1])
    lost = {key: count for key, count in seen.items() if execution.trace.lines[key] < count}
    if lost:
        taken_for_written = {
            key for each in execution.deaths for key in _rests(playing, execution, each)
        }
        lost = {key: count for key, count in lost.items() if key not in taken_for_written}
    for key, count in seen.items():
        lines = execution.trace.lines[key]
        if key in lost:
            yield f"the line of {key} was written {lines} times, and observed {count} times"
        elif lines > count and not execution.trace.crashes:
            yield f"the line of {key} was written {lines} times"


def _rests(playing: Playing, execution: Execution, log: Snapshot) -> list[str]:
    """Return what code over this log observes, if it comes to rest and suspends without another line."""
    observed, outcome, updates = playing.replay(execution, log)
    # A service need not take a cancellation, so none proves anything.
    told = [each for each in updates if each["Action"] != "CANCEL"]
    is_suspended = outcome is not None and outcome["Status"] == "PENDING" and not told
    return [key for key, _ in observed] if is_suspended else []


def _brief(error: Any) -> str:
    return f"{error.get('ErrorType')}: {error.get('ErrorMessage')}"[:400] if error else "no error"


def _few(counted: Counter[Any]) -> str:
    return ", ".join(map(str, list(counted.items())[:3])) or "nothing"


def _difference(one: Any, two: Any) -> str:
    a, b = repr(one), repr(two)
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return f"...{a[max(at - 30, 0) : at + 50]}... and ...{b[max(at - 30, 0) : at + 50]}..."


# Warnings.


class _LogRecorder(logging.Handler):
    """A log handler that counts the lines of programs and records warnings as faults."""

    trace: Trace | None = None

    def emit(self, record: logging.LogRecord) -> None:
        trace = self.trace
        if trace is None or trace.dead:
            return
        if record.name == LOGGER.name and record.levelno == logging.INFO:
            trace.lines[record.getMessage()] += 1
        elif record.name == "asyncio":
            text = " ".join(record.getMessage().splitlines()[:2])
            error = record.exc_info and record.exc_info[1]
            if _is_refusal(trace, text, error) or _is_of_the_program(trace, text, error):
                return
            trace.find(
                f"asyncio complains: {text} {error!r}"[:300]
                if error
                else f"asyncio complains: {text}"
            )
        elif record.name != "asyncio" and record.levelno >= logging.WARNING:
            if "abandoned" in record.getMessage() and trace.expects_stubborn:
                return
            if _is_of_a_meeting(trace, record) or _is_of_the_time(record):
                return
            trace.find(f"the SDK warns: {record.getMessage()}"[:300])


def _is_refusal(trace: Trace, text: str, error: object) -> bool:
    """A complaint of what a program left behind that the SDK refused: its errors, and tasks not its own."""
    if not trace.may_be_refused:
        return False
    unseen = "never retrieved" in text and any(each in repr(error) for each in REFUSALS)
    return unseen or "destroyed but it is pending! task: <Task pending" in text


def _is_of_a_meeting(trace: Trace, record: logging.LogRecord) -> bool:
    """A warning that threads are left behind which wait for others: the function's time was up before these came."""
    if "did not end when they were given up" not in record.msg or not isinstance(
        record.args, tuple
    ):
        return False
    left = str(record.args[1]).split(", ")
    meet = all(each.startswith("step 'meet'") for each in left)
    return meet and any(each.is_awaited for each in trace.meetings.values())


def _is_of_the_time(record: logging.LogRecord) -> bool:
    """A warning that a body still ran when the function's time was nearly up, as some do beside a service that is mute."""
    return "when the function's time was nearly up" in record.getMessage()


def _is_of_the_program(trace: Trace, text: str, error: object) -> bool:
    """A complaint that plain asyncio would have too: of a shield or a gather that the program gave up."""
    of_a_future = "Future exception was never retrieved" in text
    return trace.gives_up and of_a_future and isinstance(error, (Declined, OperationError))


@functools.cache
def _log_recorder() -> _LogRecorder:
    return _LogRecorder()


@contextmanager
def recording_logs(trace: Trace) -> Iterator[None]:
    """Record the logs and warnings of a block in this trace."""
    recorder, asyncio_logger = _log_recorder(), logging.getLogger("asyncio")
    recorder.trace = trace
    before = [(logger, logger.level, logger.propagate) for logger in (LOGGER, asyncio_logger)]
    for logger in (LOGGER, asyncio_logger):
        logger.addHandler(recorder)
        logger.propagate = False
    LOGGER.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings(record=True) as warnings_caught:
            warnings.simplefilter("always")
            yield
        for warning in warnings_caught:
            text = str(warning.message)
            if issubclass(warning.category, ResourceWarning) or trace.crashes:
                continue
            # anyio wraps the coroutine of a task in one of its own, and loses it if the task is cancelled before it
            # starts: plain asyncio warns too.
            if not (trace.has_groups and text.endswith("was never awaited")):
                trace.find(f"warning: {text}"[:300])
    finally:
        recorder.trace = None
        for logger, level, propagate in before:
            logger.removeHandler(recorder)
            logger.setLevel(level)
            logger.propagate = propagate
