"""``durable show``, ``watch`` and ``history`` of an execution at an endpoint."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator

import msgspec

from durable_execution_sdk.cli.options import Endpoint
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.outcome import exit_code
from durable_execution_sdk.cli.output.streams import Streams
from durable_execution_sdk.cli.refusals import ExitCode, Refusal
from durable_execution_sdk.cli.remote.executions import (
    EndpointPlace,
    ExecutionReference,
    reached,
)
from durable_execution_sdk.client.endpoint_connection import EndpointConnection
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.dev.feed.changes import Changes
from durable_execution_sdk.dev.viewer.endpoint import EndpointExecution, Pace
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.steering.chains import one_before
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.protocol import control_plane_codec
from durable_execution_sdk.protocol.continuation import base_name, continuation_of
from durable_execution_sdk.protocol.control_plane import HistoryPage, ListRequest
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.limits import MAX_PAGE_ITEMS
from durable_execution_sdk.rendering.batch_progress import no_totals
from durable_execution_sdk.rendering.documents import execution_document
from durable_execution_sdk.rendering.origins import origin_of

__all__ = ["EndpointView"]

_SLICE_SECONDS = 0.2
_GRACE_SECONDS = 2.0


class EndpointView:
    """An execution at an endpoint, read once; those that it invoked too. ``Refusal`` if that is not possible."""

    def __init__(self, name: str, at: Endpoint, pace: Pace | None = None) -> None:
        self.place = EndpointPlace(at)
        self.asked_arn, self.arn = self.place.find(ExecutionReference(name))
        try:
            self._execution = EndpointExecution(
                self.asked_arn, self.place.options, pace=pace, shown_as=self.arn
            )
        except (ConfigError, ServiceError) as error:
            raise Refusal(str(error)) from error
        self.emulator: Emulator = self._execution.emulator
        if self.emulator.store.find(self.arn) is None:
            raise Refusal(
                f"the history of {self.arn} does not begin with ExecutionStarted, so there is nothing to show"
            )

    def changes(self, tell: Callable[[str | None], None]) -> Iterator[None]:
        """Yield now, and each time that something new was read, until the execution has ended.

        It is read every second to every fifteen seconds, the longer the less happens. ``tell`` takes the reason
        for which the endpoint does not answer, and ``None`` when it does again. Raises ``Refusal`` for one that asking again
        does not mend.
        """
        changes, stop, woken = Changes(self.emulator), threading.Event(), threading.Event()
        reading = threading.Thread(
            target=self._execution.follow, args=(changes, stop), name="durable-watch", daemon=True
        )
        end_listening = changes.listen(woken.set)
        reading.start()
        trouble: str | None = None
        try:
            while True:
                woken.clear()
                yield
                if self.emulator.is_closed(self.arn) or not reading.is_alive():
                    return
                about = self._execution.about()
                if about.trouble != trouble:
                    trouble = about.trouble
                    if trouble is not None and self._execution.is_lost:
                        raise Refusal(trouble)
                    tell(trouble)
                # In slices: a signal that comes just before an endless wait does not end it.
                while not woken.wait(_SLICE_SECONDS) and reading.is_alive():
                    pass
        finally:
            stop.set()
            end_listening()
            changes.close()
            # A call that hangs does not hold up Ctrl-C.
            reading.join(_GRACE_SECONDS)

    def follow(self, *, as_json: bool) -> ExitCode:
        """Show progress until the execution has ended; return the exit code."""
        streams = Streams(as_json=as_json)
        notes: list[str | None] = [None]

        def tell(trouble: str | None) -> None:
            notes[0] = trouble
            if not streams.is_live and trouble is not None:
                say(f"{trouble}; asking again", err=True)

        watch = streams.watch(lambda: notes[0], no_totals)
        with watch(self.emulator, self.arn, self.place):
            for _ in self.changes(tell):
                pass
        return exit_code(self.emulator, self.arn)

    def events_until_end(self) -> Iterator[HistoryEvent]:
        """Yield the events of the history, and those that come until the execution has ended."""

        def tell(trouble: str | None) -> None:
            if trouble is not None:
                say(f"{trouble}; asking again", err=True)

        shown = 0
        for _ in self.changes(tell):
            events = history(self.emulator.recording(self.arn)())[shown:]
            shown += len(events)
            yield from events

    def next_arn(self) -> str | None:
        """Return the ARN of the execution as which this one went on, if the endpoint told it."""
        if not self.emulator.is_closed(self.arn):
            return None
        continuation = continuation_of(self.asked_arn, self.emulator.describe(self.arn).result)
        return None if continuation is None else continuation.arn

    def before(self) -> str | None:
        """Return the ARN of the execution that this one continues, if it is among the 1,000 that started before.

        The executions of the function are only listed for a name that one can have that continues another.
        """
        parts = ExecutionArn.read(self.arn)
        if parts is None or base_name(parts.execution_name) is None:
            return None
        started = self.emulator.describe(self.arn).start_timestamp
        reference = ExecutionReference(f"{parts.function_name}/{parts.execution_name}")
        request = ListRequest(
            function_name=reference.function.name, started_before=round(started) + 1
        )

        async def ask(connection: EndpointConnection) -> list[str]:
            reading = PacedReading(connection.control, is_limited=not connection.is_local)
            found = reading.executions(request, MAX_PAGE_ITEMS)
            return [each.durable_execution_arn async for each in found]

        try:
            arns = asyncio.run(reached(self.place.options, reference, ask))
        except Refusal:
            return None  # to show an execution takes no permission to list others
        return one_before(parts.execution_name, arns)

    def document(self) -> str:
        """Write the document of ``durable show``."""
        document = execution_document(
            self.emulator, self.arn, [], before=self.before(), has_log=False
        )
        document["durable_execution_arn"] = self.asked_arn
        return json.dumps(document, indent=2, ensure_ascii=False)

    def history_document(self) -> str:
        """Write the whole history as the endpoint told it, which ``durable replay`` reads."""
        page = control_plane_codec.encode_history_page(
            HistoryPage(events=self._execution.entries())
        )
        arns = {"DurableExecutionArn": self.asked_arn}
        origin = origin_of(self.arn, None, self.emulator.describe(self.arn).input_payload)
        if origin is not None:
            arns["ForkedFromArn"] = origin.first_arn
        return json.dumps({**arns, **msgspec.json.decode(page)}, indent=2, ensure_ascii=False)
