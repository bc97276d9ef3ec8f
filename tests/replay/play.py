"""Run a shape, and record the state after every checkpoint, and every response."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from tests.replay.corpus import Probe, Shape
from tests.rig import Ran, Rig

from durable_execution_sdk import CheckpointingMode, DurableContext, Duration, durable_execution
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.engine.views.handler_view import invocation_event
from durable_execution_sdk.engine.views.inboxes import inboxes
from durable_execution_sdk.ports import DataPlane, read_history, start_execution
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.control_plane import (
    HistoryPage,
    HistoryRequest,
    InvokeRequest,
    InvokeResponse,
)
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    Invocation,
    Outcome,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.inboxes import message_payload
from durable_execution_sdk.protocol.operations import is_status
from durable_execution_sdk.protocol.updates import OperationUpdate
from durable_execution_sdk.runtime.log.ids import NEEDS_NAME


@durable_execution
async def other(event: int, ctx: DurableContext) -> int:
    async def double() -> int:
        return event * 2

    value = await ctx.step(double)
    await ctx.wait(Duration.from_seconds(10))
    return value


@durable_execution
async def broken(event: int, ctx: DurableContext) -> int:
    raise LookupError("nothing here")


class Watched:
    """A data plane that passes calls on, for subclasses to override."""

    def __init__(self, plane: DataPlane) -> None:
        self.plane = plane

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        return await self.plane.checkpoint(request)

    async def get_state(self, request: StateRequest) -> StatePage:
        return await self.plane.get_state(request)

    async def history(self, request: HistoryRequest) -> HistoryPage:
        return await read_history(self.plane, request)

    async def start_execution(self, request: InvokeRequest) -> InvokeResponse:
        return await start_execution(self.plane, request)

    def now(self) -> int:
        return self.plane.now()


@dataclass
class Call:
    """A checkpoint: its updates, the operations in its response, and those left out."""

    number: int
    updates: Sequence[OperationUpdate]
    told: set[str]
    left_out: set[str]


@dataclass
class Play:
    """A run of a shape on an emulator."""

    shape: Shape
    limits: Limits = DEFAULT_LIMITS
    wrap: Callable[[DataPlane, Play], DataPlane] = lambda plane, _: plane
    pause: Callable[[], Awaitable[None]] | None = None
    keeps_states: bool = True
    begins: Callable[[], object] = lambda: None
    mode: CheckpointingMode = CheckpointingMode.BATCHED
    options: dict[str, Any] = field(default_factory=dict)
    probe: Probe = field(default_factory=Probe)
    snapshots: list[Invocation] = field(default_factory=list)
    updates: list[OperationUpdate] = field(default_factory=list)
    log: list[Call] = field(default_factory=list)
    calls: int = 0

    def __post_init__(self) -> None:
        play = self
        if self.pause is not None:
            self.probe.pause = self.pause

        class Recording(Watched):
            async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
                play.calls += request.durable_execution_arn == play.arn
                response = await self.plane.checkpoint(request)
                if request.durable_execution_arn == play.arn:
                    play.updates += request.updates
                    play.log.append(
                        Call(
                            play.calls,
                            request.updates,
                            told={operation.id for operation in response.operations},
                            left_out=set(play.rig.emulator.coordinator.recorded(play.arn).unseen),
                        )
                    )
                    play.keep_state()
                return response

        def plane(inner: DataPlane) -> DataPlane:
            return self.wrap(Recording(inner), self)

        def invoker(inner: Any) -> Any:
            def call(request: Any) -> Any:
                if request.function_name == "workflow":
                    play.begins()
                    play.keep_state()
                return inner(request)

            return call

        self.rig = Rig(
            self.shape.handler(self.probe, self.mode, **self.options),
            others={"other": other, "broken": broken},
            plain={"plain": lambda event, _: event + 100},
            limits=self.limits,
            wrappers=Wrappers(data_plane=plane, invoker=invoker),
        )
        emulator = self.rig.emulator
        self.probe.answer = _once(emulator.callback_success)
        self.probe.refuse = _once(emulator.callback_failure)
        self.probe.post = self._post
        self._posted: dict[str, int] = {}
        self.arn = ""

    def _post(self, arn: str, inbox: str, value: Any) -> bool:
        """Send a message if there is room; return ``False`` if there is none.

        A step that runs again sends again: the message of an earlier run has a number that is not open any more.
        """
        emulator = self.rig.emulator
        operations = [each.operation for each in emulator.progress(arn).operations]
        found = inboxes(operations).get(inbox)
        if found is None or not found.open:
            return False
        text = json.dumps(value)
        key, number = f"{inbox} {text}", min(found.open)
        if self._posted.setdefault(key, number) >= number:
            payload = message_payload(key, text).encode()
            emulator.callback_success(found.open[number], payload)
        return True

    def keep_state(self) -> None:
        """Record the state that an invocation would begin with now."""
        if not self.keeps_states:
            return
        state = self.rig.emulator.coordinator.recorded(self.arn)
        if state.invocation is not None and state.invocation.token is not None:
            whole = msgspec.structs.replace(DEFAULT_LIMITS, first_page_items=100_000)
            event = invocation_event(state, whole)
            self.snapshots.append(msgspec.json.decode(msgspec.json.encode(event), type=Invocation))

    def run(self) -> Ran:
        """Run the execution until it has ended."""
        self.arn = self.rig.start("input")
        return self.rig.drive(self.arn)


def _once(answer: Callable[[str, Any], None]) -> Callable[[str, Any], None]:
    """Wrap a sender so that it answers each callback once: a step that runs again sends again."""
    answered: set[str] = set()

    def send(callback_id: str, value: Any) -> None:
        if callback_id not in answered:
            answer(callback_id, value)
            answered.add(callback_id)

    return send


class Unwilling:
    """A data plane that records the requests, and returns no token for further checkpoints."""

    def __init__(self) -> None:
        self.updates: list[OperationUpdate] = []
        self.calls = 0

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        self.calls += 1
        self.updates += request.updates
        # Enough turns for the workflow to become quiescent.
        await asyncio.sleep(0.001)
        return CheckpointResponse(checkpoint_token=None)

    async def get_state(self, request: StateRequest) -> StatePage:
        raise AssertionError("the state is complete")

    async def start_execution(self, request: InvokeRequest) -> InvokeResponse:
        return InvokeResponse(status_code=202)

    def now(self) -> int:
        return VirtualClock().now()


@dataclass
class Replayed:
    """The outcome of an invocation over a recorded state."""

    observed: list[Any]
    outcome: Outcome
    updates: list[OperationUpdate]
    calls: int


def replay(
    shape: Shape, state: Invocation, mode: CheckpointingMode = CheckpointingMode.BATCHED
) -> Replayed:
    """Invoke a shape over a recorded state, against a service that records nothing."""
    probe = Probe()
    plane = Unwilling()
    answer = shape.handler(probe, mode).bind(plane)(codec.encode_invocation(state), None)
    return Replayed(
        probe.observations[-1], codec.decode_outcome(answer), plane.updates, plane.calls
    )


def extends(earlier: Sequence[Any], later: Sequence[Any]) -> bool:
    """Tell whether a later invocation made the observations of an earlier one, in order, and then others.

    A child context that has completed in the meantime is not replayed, so it observes nothing.
    """
    for context in {entry[0] for entry in earlier}:
        before = [entry for entry in earlier if entry[0] == context]
        after = [entry for entry in later if entry[0] == context]
        if after[: len(before)] != before and (after or not context):
            return False
    return True


def last_status(events: Sequence[HistoryEvent]) -> str | None:
    """Return the payload of the status that was recorded last; ``None`` if there is none."""
    for event in reversed(events):
        details = event.step_succeeded_details
        if is_status(event.id, event.name) and details is not None and details.result is not None:
            return details.result.payload
    return None


def signature(events: Sequence[HistoryEvent]) -> list[Any]:
    """Return a history without facts that depend on the number and times of invocations, such as the records of statuses."""
    return [
        (event.event_type, event.sub_type, event.name, event.id, event.parent_id)
        for event in events
        if event.event_type not in ("InvocationCompleted", "ExecutionStarted")
        and event.name != NEEDS_NAME  # the time that an invocation has left decides about those
        and not event.event_type.startswith("Execution")
        and not is_status(event.id, event.name)
    ]
