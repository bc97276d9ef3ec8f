"""The beginning of a fork: its first invocation takes over the history of another execution.

On Lambda an execution cannot be moved to another version of its function, and its log cannot be written by others.
So a fork is a new execution that is told, by its input (``envelope``), which execution it goes on from, and that
copies that one's history into its own log. To record each operation again is not possible: the service alone ends
waits and callbacks, and the START of an invoke would start it. So the history is recorded as data, in the results of a
few STEPs (``chunks``). What the code finds in the log is that data, folded to operations, and over it what the service
has recorded since (``overlay``).

The rules:

- The history is cut before the first event of an operation, as if the process had died there (``taken_over``). So a
  fork is as sound as the recovery from a crash: times, ids and the order of completions are the old ones.
- Until the last chunk is acknowledged only chunks are written, and no code of the workflow runs. A crash between two
  leaves the first ones; the next invocation reads the history again and writes the others.
- Then what was open at the cut is begun again (``open_operations``), and the code runs.
- Every later invocation has the chunks in its log, and reads no history.

A worked example. ``order-1`` has failed at ``ship``, whose code is corrected now::

    history of order-1                        log of fork-4b1c..., input {"durable_fork": {"arn": order-1, ...}}
    ExecutionStarted  {"id": 7}               STEP "forked from order-1 (1 of 1)" SUCCEEDED, with the events on the left
    charge STARTED, SUCCEEDED "ch_9"
    approval CALLBACK STARTED, id A           approval CALLBACK STARTED, id B
    reminder WAIT of a day STARTED            reminder WAIT STARTED, with 20 hours left
    -- cut before ship, 4 hours later --
    ship STARTED, FAILED                      ship STARTED, SUCCEEDED

The code finds charge with the result of order-1, the approval with another id, the wait, and nothing of ship.

What goes wrong without these rules: if the body of a step ran before the last chunk is recorded, a crash would let
the fork begin with half of the history, and run bodies again that order-1 has run. If the envelope were believed under
any name, an input from outside could hold the result of a payment.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence

from msgspec import Struct

from durable_execution_sdk.errors import (
    ConfigError,
    ExecutionError,
    InvocationError,
    ServiceError,
)
from durable_execution_sdk.fork.chunks import (
    Chunk,
    Seed,
    chunk_id,
    chunk_updates,
    read_chunk,
    seed_from,
)
from durable_execution_sdk.fork.envelope import Envelope, believed_envelope
from durable_execution_sdk.fork.lineage import whole_history
from durable_execution_sdk.fork.open_operations import reopening
from durable_execution_sdk.fork.overlay import Overlay, SeededPlane
from durable_execution_sdk.fork.taken_over import taken_over
from durable_execution_sdk.ports import DataPlane, read_history
from durable_execution_sdk.protocol.control_plane import HistoryRequest
from durable_execution_sdk.protocol.data_plane import CheckpointRequest, StateRequest
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.limits import MAX_BATCH_UPDATES, MAX_PAGE_ITEMS
from durable_execution_sdk.protocol.operations import Operation, OperationType
from durable_execution_sdk.protocol.updates import OperationUpdate, length_of_batch

__all__ = ["Seeded", "execution_name", "seeded"]


class Seeded(Struct, frozen=True, kw_only=True):
    """The log of a fork, and what its invocation goes on with.

    ``token`` is ``None`` if the invocation may not checkpoint any more: then it has to suspend. ``first_arn`` is the
    execution from which random values derive, ``forked_at`` the time at which the fork went on, ``in_doubt`` the contexts whose payload may be a summary. ``own_ids`` are
    the ids of the STEPs that hold the old history, which no code asks for. ``has_new_input``: the fork was given an input
    that no code has read yet.
    """

    operations: list[Operation]
    plane: DataPlane
    token: str | None
    first_arn: str
    forked_at: float
    in_doubt: set[str]
    own_ids: set[str]
    has_new_input: bool


async def seeded(
    plane: DataPlane,
    arn: str,
    named_by: str,
    token: str,
    operations: Sequence[Operation],
    ends_at: float | None,
) -> Seeded | None:
    """Take over the old history if this execution is a fork, and return its log; ``None`` if it is no fork.

    ``named_by`` is the ARN whose name tells that. ``ends_at`` is the monotonic time at which the invocation has to be
    over. Raises ``ExecutionError`` if the fork cannot begin, ``InvocationError`` if the time is up, and
    ``ServiceError``.
    """
    execution = next((op for op in operations if op.type == OperationType.EXECUTION), None)
    details = None if execution is None else execution.execution_details
    payload = None if details is None else details.input_payload
    envelope = believed_envelope(execution_name(named_by), payload)
    if envelope is None or execution is None:
        return None
    seeding = _Seeding(plane, arn, token, operations)
    left = None if ends_at is None else max(0.0, ends_at - time.monotonic())
    try:
        async with asyncio.timeout(left):
            return await seeding.run(envelope, execution)
    except TimeoutError as error:
        raise InvocationError(
            f"the history of {envelope.arn} could not be taken over before the function's time was up; the next"
            " invocation goes on with what is left of it. If this repeats, raise the function's timeout"
        ) from error


def execution_name(arn: str) -> str:
    """Return the name in an execution's ARN; empty if it has another form."""
    return arn.rpartition("/")[0].rpartition("/")[2]


class _Seeding:
    """The seeding in one invocation: it writes what the log lacks."""

    def __init__(
        self, plane: DataPlane, arn: str, token: str, operations: Sequence[Operation]
    ) -> None:
        self._plane = plane
        self._arn = arn
        self._token: str | None = token
        self._recorded = {operation.id: operation for operation in operations}
        # Start of the client tokens, so that the service knows a call that is sent again.
        self._series = os.urandom(16).hex()
        self._calls = 0

    async def run(self, envelope: Envelope, execution: Operation) -> Seeded | None:
        """Record the seed, begin again what was open, and return the fork's log."""
        chunks = _chunks(self._recorded)
        seed = seed_from(chunks)
        has_new_input = seed is None and envelope.input is not None
        if seed is None:
            seed = await self._taken_over(envelope)
            updates = chunk_updates(seed, execution_name(envelope.arn) or envelope.arn)
            _check_same(chunks, updates, envelope)
            await self._write(updates[len(chunks) :])
            chunks = {n: read_chunk(update.payload) for n, update in enumerate(updates, 1)}
        own_ids = {chunk_id(part) for part in chunks}
        overlay = Overlay(seed, execution, own_ids)
        await self._write(reopening(seed, overlay.log, self._recorded))
        return Seeded(
            operations=overlay.merged(self._recorded.values()),
            plane=SeededPlane(self._plane, overlay),
            token=self._token,
            first_arn=envelope.first_arn,
            forked_at=(execution.start_timestamp or 0) + overlay.shift,
            in_doubt=overlay.in_doubt,
            own_ids=own_ids,
            has_new_input=has_new_input,
        )

    async def _taken_over(self, envelope: Envelope) -> Seed:
        try:
            events = await self._history(envelope)
            return taken_over(whole_history(events, execution_name(envelope.arn)), envelope)
        except ConfigError as error:
            raise ExecutionError(
                f"this execution is a fork of {envelope.arn}, and cannot begin: {error}. No step has run"
            ) from error

    async def _history(self, envelope: Envelope) -> list[HistoryEvent]:
        """Read the origin's history, up to the cut if it has one."""
        events: list[HistoryEvent] = []
        marker: str | None = None
        markers: set[str] = set()
        while True:
            request = HistoryRequest(
                durable_execution_arn=envelope.arn, marker=marker, max_items=MAX_PAGE_ITEMS
            )
            try:
                page = await read_history(self._plane, request)
            except ServiceError as error:
                raise _unreadable(error) from error
            events += page.events
            marker = page.next_marker or None
            is_cut = envelope.before is not None and any(
                event.id == envelope.before for event in page.events
            )
            if marker is None or is_cut:
                break
            if marker in markers:
                raise ConfigError(f"its history has no end: the marker {marker[:80]!r} came twice")
            markers.add(marker)
        if not events or events[0].execution_started_details is None:
            raise ConfigError("its history does not begin with ExecutionStarted")
        return events

    async def _write(self, updates: list[OperationUpdate]) -> None:
        """Record updates in as few calls as possible; stop if the service gives no token for another call."""
        left = updates
        while left and self._token is not None:
            count = length_of_batch(left, MAX_BATCH_UPDATES)
            batch, left = left[:count], left[count:]
            self._calls += 1
            response = await self._plane.checkpoint(
                CheckpointRequest(
                    durable_execution_arn=self._arn,
                    checkpoint_token=self._token,
                    updates=batch,
                    client_token=f"{self._series}-{self._calls}",
                )
            )
            self._token = response.checkpoint_token or None
            operations = list(response.operations)
            marker = response.next_marker
            while marker and self._token is not None:
                page = await self._plane.get_state(
                    StateRequest(
                        durable_execution_arn=self._arn,
                        checkpoint_token=self._token,
                        marker=marker,
                        max_items=MAX_PAGE_ITEMS,
                    )
                )
                operations += page.operations
                marker = page.next_marker
            self._recorded.update((operation.id, operation) for operation in operations)


def _chunks(recorded: dict[str, Operation]) -> dict[int, Chunk]:
    """Return the chunks that the log holds."""
    chunks: dict[int, Chunk] = {}
    while (operation := recorded.get(chunk_id(len(chunks) + 1))) is not None:
        details = operation.step_details
        chunks[len(chunks) + 1] = read_chunk(None if details is None else details.result)
    return chunks


def _check_same(
    chunks: dict[int, Chunk], updates: Sequence[OperationUpdate], envelope: Envelope
) -> None:
    """Raise ``ExecutionError`` if the chunks that the log holds are not of the history that was read now."""
    if chunks and chunks[1].digest != read_chunk(updates[0].payload).digest:
        raise ExecutionError(
            f"this execution is a fork of {envelope.arn}, and cannot begin: that one's history is not the same as"
            " when a first part of it was taken over. No step has run: fork again once the execution has ended"
        )


def _unreadable(error: ServiceError) -> Exception:
    """Return the error for a history that could not be read."""
    if error.is_transient or error.is_about_credentials:
        return error
    cure = ""
    if error.status == 403:
        cure = (
            ". The role of the function needs the permission lambda:GetDurableExecutionHistory for it, which the managed"
            " policy AWSLambdaBasicDurableExecutionRolePolicy does not have"
        )
    return ConfigError(f"its history cannot be read: {error}{cure}")
