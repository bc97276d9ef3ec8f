"""Forks over the API, of workflows of the corpus, on the real engine: the handler takes over the history itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from tests.replay.corpus import Shape
from tests.replay.play import Play, Watched
from tests.rig import Ran

from durable_execution_sdk import CheckpointingMode
from durable_execution_sdk.client.fork import fork, history_of
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.emulator.faults.injection import FaultyPlane
from durable_execution_sdk.emulator.faults.plan import When
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.fork import chunks
from durable_execution_sdk.fork.chunks import chunk_id
from durable_execution_sdk.fork.lineage import whole_history
from durable_execution_sdk.fork.open_operations import folded
from durable_execution_sdk.fork.seeding import execution_name
from durable_execution_sdk.ports import DataPlane
from durable_execution_sdk.protocol.control_plane import HistoryPage, HistoryRequest
from durable_execution_sdk.protocol.data_plane import CheckpointRequest, CheckpointResponse
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.operation_log import changes_operations
from durable_execution_sdk.protocol.operations import TERMINAL_STATUSES
from durable_execution_sdk.testing.faults import Faults

PAGES_OF_ONE = Limits(page_items=1, first_page_items=1)


class Counting(Watched):
    """A data plane that counts the calls of the fork that runs, and passes histories on."""

    def __init__(self, plane: DataPlane, origin: Origin) -> None:
        super().__init__(plane)
        self._origin = origin

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        response = await self.plane.checkpoint(request)
        if request.durable_execution_arn == self._origin.fork_arn:
            self._origin.calls.append([update.id for update in request.updates])
        return response

    async def history(self, request: HistoryRequest) -> HistoryPage:
        self._origin.histories_read += request.marker is None
        if self._origin.limits is PAGES_OF_ONE:
            request = msgspec.structs.replace(request, max_items=1)
        return await super().history(request)


class Origin:
    """An execution of a shape that has ended, and its forks."""

    def __init__(
        self,
        shape: Shape,
        limits: Limits = DEFAULT_LIMITS,
        mode: CheckpointingMode = CheckpointingMode.BATCHED,
    ) -> None:
        self.limits = limits
        self.faults = Faults()
        self.fork_arn: str | None = None
        self.calls: list[list[str]] = []
        self.histories_read = 0

        def wrap(plane: DataPlane, _: Play) -> DataPlane:
            watched = Counting(plane, self)
            return FaultyPlane(
                watched, self.faults, VirtualClock(), lambda arn: arn == self.fork_arn
            )

        self.play = Play(
            shape,
            limits=limits,
            mode=mode,
            wrap=wrap,
            keeps_states=False,
            begins=self.faults.invocation_begins,
        )
        self.ran = self.play.run()
        self.control = EmulatorControlPlane(self.play.rig.driver)
        self.observed = observations(self.play)

    @property
    def cuts(self) -> list[str | None]:
        """The operations in the order of their first events, and no operation."""
        ids = dict.fromkeys(event.id for event in self.ran.events if changes_operations(event))
        return [*ids, None]

    def fork(
        self, before: str | None, *, crash: tuple[int, When] | None = None, arn: str | None = None
    ) -> Forked:
        """Fork the execution, or a fork of it, and drive the fork to its end."""
        self.faults.execution_begins()
        if crash is not None:
            self.faults.crash_at(checkpoint=crash[0], when=crash[1])
        runs = Counter(self.play.probe.runs)
        first = len(self.play.probe.observations)
        self.calls = []
        self.fork_arn = asyncio.run(fork(self.control, arn or self.play.arn, before=before))
        ran = self.play.rig.drive(self.fork_arn)
        if self.faults.left:
            # Timers of the process may end before or after a call, so that there is one less.
            assert self.play.shape.name == "plain_sleeps_in_side_tasks", self.faults.left
            self.faults.take("crash", crash[0] if crash else None)
        events = asyncio.run(history_of(self.control, self.fork_arn))
        return Forked(
            ran,
            events,
            self.calls,
            self.play.probe.runs - runs,
            self.play.probe.observations[first:],
        )


class Forked:
    """A fork that has ended: its own history, its calls, and the bodies that ran for it."""

    def __init__(
        self,
        ran: Ran,
        events: Sequence[HistoryEvent],
        calls: list[list[str]],
        runs: Counter[tuple[str, int]],
        observed: list[list[Any]],
    ) -> None:
        self.ran = ran
        self.calls = calls
        self.runs = runs
        self.observed = observed
        self.whole = whole_history(events, execution_name(ran.arn)).events
        own = {chunk_id(part) for part in range(1, len(events))}
        self.parts = sum(event.id in own for event in events)
        self.own = [event for event in events if event.id not in own and changes_operations(event)]
        seed = self.whole[: len(self.whole) - (len(events) - 1 - self.parts)]
        self.seed = folded(seed)

    def check(self, origin: Origin, label: object, *, crashed: bool = False) -> None:
        """Check that it ended as its origin did, and did nothing again."""
        shape, original = origin.play.shape, origin.ran
        assert self.ran.status == original.status, (label, self.ran.error)
        assert self.ran.result == original.result, label
        seeded = self.seed.operations.values()
        ended = {each.id for each in seeded if each.status in TERMINAL_STATUSES}
        assert not {event.id for event in self.own} & ended, label
        interrupted = sum(each.type == "STEP" and each.status == "STARTED" for each in seeded)
        started = sum(event.event_type == "StepStarted" for event in self.own)
        if not crashed:
            assert sum(self.runs.values()) <= started + interrupted, label
        if shape.at_most_once:
            assert max(self.runs.values(), default=0) <= 1, label
        if shape.strict:
            assert without_ids(self.observed[-1]) == origin.observed, label


def observations(play: Play) -> list[Any]:
    """The observations of the last invocation."""
    return without_ids(play.probe.observations[-1])


def without_ids(observed: Sequence[Any]) -> list[Any]:
    """Return observations without callback ids: each execution has its own."""
    return [entry for entry in observed if entry[1] != "id"]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the histories of the corpus fill several chunks."""
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 600)
