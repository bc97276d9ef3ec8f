"""An execution at an endpoint of Lambda's API, with those that it invoked."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Iterator, Mapping

import msgspec

from durable_execution_sdk.client.endpoint_connection import EndpointConnection, EndpointOptions
from durable_execution_sdk.dev.feed.about import About, Origin
from durable_execution_sdk.dev.feed.changes import CALLBACKS_OF, SERVER, Changes
from durable_execution_sdk.dev.feed.process_view import ProcessView
from durable_execution_sdk.dev.viewer.history_logs import HistoryLogs
from durable_execution_sdk.emulator.stores.store import NameTakenError
from durable_execution_sdk.engine.events import ParentLink
from durable_execution_sdk.engine.from_history import HistoryLog
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.ports.follower import Follower
from durable_execution_sdk.protocol.control_plane import CLOSED_STATUSES
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.ids import ExecutionArn

__all__ = ["EndpointExecution", "Pace"]

MOST_FOLLOWED = 50
"""Executions that are read: the one that was asked for, and those that it invoked."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds between two looks: half as long again after each one that finds nothing new."""

    first: float = 1.0
    longest: float = 15.0

    def after(self, pause: float, *, is_new: bool) -> float:
        """Return the seconds to wait after a look."""
        return self.first if is_new else min(pause * 1.5, self.longest)


class _Followed:
    """An execution that is read, and how far."""

    def __init__(self, follower: Follower, parent: ParentLink | None) -> None:
        self.follower = follower
        self.parent = parent
        self.log: HistoryLog | None = None
        self.taken = 0
        self.is_open = True


class EndpointExecution:
    """The execution with an ARN, read anew now and then while it is open; the executions that it invoked too.

    An endpoint may have ids of another form: ``shown_as`` is the ARN that one stands for here.

    Raises ``ConfigError`` if the ARN is none or the settings do not suffice, and ``ServiceError`` if the
    execution cannot be read.
    """

    def __init__(
        self,
        arn: str,
        options: EndpointOptions,
        environ: Mapping[str, str] = os.environ,
        pace: Pace | None = None,
        *,
        shown_as: str | None = None,
    ) -> None:
        try:
            parsed = ExecutionArn.parse(shown_as or arn)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        self.arn = shown_as or arn
        self._asked_arn = arn
        self.local = ProcessView(served_elsewhere=True)
        self._connection = EndpointConnection(parsed.region, options, environ)
        self._pace = pace or Pace()
        self._logs = HistoryLogs()
        self._trouble: str | None = None
        self.is_lost = False
        """True if the last look failed for a reason that asking again does not mend."""
        self._followed: dict[str, _Followed] = {}
        self._add(self.arn, None)
        self.emulator = self._logs.emulator
        try:
            asyncio.run(self._first_look())
        except ServiceError as error:
            raise self._explained(error) from error

    def entries(self) -> list[HistoryEvent]:
        """Return the history of the execution as the endpoint told it; not while ``follow`` runs."""
        return self._followed[self.arn].follower.history

    def about(self) -> About:
        """Describe the endpoint."""
        return About(
            read_only=True,
            origin=Origin.ENDPOINT,
            name=self.arn,
            place=self._connection.url,
            is_live=self._is_open(),
            trouble=self._trouble,
        )

    def follow(self, changes: Changes, stop: threading.Event) -> None:
        """Read what is new until all executions have ended; an endpoint that fails is asked again later."""
        asyncio.run(self._poll(changes, stop))

    def close(self) -> None:
        """Do nothing: the connections are closed."""

    async def _first_look(self) -> None:
        try:
            await self._look(None)
        finally:
            await self._connection.aclose()

    async def _poll(self, changes: Changes, stop: threading.Event) -> None:
        pause = self._pace.first
        try:
            while self._is_open() and not await asyncio.to_thread(stop.wait, pause):
                is_new, trouble, is_lost = False, None, False
                try:
                    is_new = await self._look(changes)
                except ServiceError as error:
                    trouble = str(self._explained(error))
                    is_lost = not error.is_transient
                pause = self._pace.after(pause, is_new=is_new)
                if trouble != self._trouble or not self._is_open():
                    # A reader in another thread that sees the trouble sees its kind, too.
                    self.is_lost = is_lost
                    self._trouble = trouble
                    changes.note(SERVER)
        finally:
            await self._connection.aclose()

    async def _look(self, changes: Changes | None) -> bool:
        """Read what is new of the open executions, and of those that they have invoked; tell if there was any."""
        is_new = False
        left = deque(arn for arn, each in self._followed.items() if each.is_open)
        while left:
            arn = left.popleft()
            known = set(self._followed)
            try:
                is_new |= await self._read(arn, changes)
            except (ServiceError, NameTakenError) as error:
                # Of an invoked execution there may be no permission to read it; the first one counts.
                if arn == self.arn:
                    raise
                if not (isinstance(error, ServiceError) and error.is_transient):
                    self._followed[arn].is_open = False
            left.extend(self._followed.keys() - known)
        return is_new

    async def _read(self, arn: str, changes: Changes | None) -> bool:
        followed = self._followed[arn]
        described = await followed.follower.look()
        entries = followed.follower.history[followed.taken :]
        log = followed.log
        if log is None:
            config = described.durable_config
            log = followed.log = HistoryLog(
                arn,
                parent=followed.parent,
                retention=0 if config is None else config.retention_period_in_days or 0,
            )
        is_first = not followed.taken
        self._logs.take(log, entries)
        followed.taken += len(entries)
        followed.is_open = described.status not in CLOSED_STATUSES
        if is_first and changes is not None:
            # The events of an execution are announced from its second reading on.
            for each in (arn, *self._ancestors(arn)):
                changes.note(each)
            changes.note(f"{CALLBACKS_OF}{self.arn}")
        for entry in entries:
            self._add_invoked(arn, entry)
        return bool(entries)

    def _add_invoked(self, arn: str, entry: HistoryEvent) -> None:
        started = entry.chained_invoke_started_details
        invoked = None if started is None else started.durable_execution_arn
        if invoked is not None and entry.id is not None and ExecutionArn.read(invoked) is not None:
            self._add(invoked, ParentLink(arn=arn, operation_id=entry.id))

    def _add(self, arn: str, parent: ParentLink | None) -> None:
        if arn not in self._followed and len(self._followed) < MOST_FOLLOWED:
            asked = self._asked_arn if arn == self.arn else arn
            self._followed[arn] = _Followed(Follower(self._connection.control, asked), parent)

    def _ancestors(self, arn: str) -> Iterator[str]:
        while (parent := self._followed[arn].parent) is not None:
            arn = parent.arn
            yield arn

    def _is_open(self) -> bool:
        return any(each.is_open for each in tuple(self._followed.values()))

    def _explained(self, error: ServiceError) -> ServiceError:
        """Say what an error means for the reader of an execution."""
        return self._connection.explained(
            error,
            absent=f"execution {self._asked_arn}",
            gone="it never was there, or its retention is over",
            reads="the execution",
            actions=("GetDurableExecution", "GetDurableExecutionHistory"),
        )
