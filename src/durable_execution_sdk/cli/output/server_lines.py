"""The lines that a development server writes: events of all executions, and the output of functions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from durable_execution_sdk.cli.output.background_lines import BackgroundLines
from durable_execution_sdk.cli.output.callback_hints import answers
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.functions.records import LogLine
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.events import Event
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.history import EventType, HistoryEvent
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.inboxes import place_of
from durable_execution_sdk.rendering.family import family
from durable_execution_sdk.rendering.log_lines import log_text
from durable_execution_sdk.rendering.times import at
from durable_execution_sdk.rendering.wording import EventTexts

_QUIET = frozenset({EventType.STEP_STARTED, EventType.CONTEXT_STARTED})
_ENDS = frozenset(
    {
        EventType.EXECUTION_SUCCEEDED,
        EventType.EXECUTION_FAILED,
        EventType.EXECUTION_TIMED_OUT,
        EventType.EXECUTION_STOPPED,
    }
)


class ServerLines:
    """Writes a line for each event that a reader would miss. Thread-safe."""

    def __init__(self, place: Place, lines: BackgroundLines) -> None:
        self._place = place
        self._say = lines.say
        self._texts: dict[str, EventTexts] = {}
        self._lock = threading.Lock()

    def watch(self, emulator: Emulator) -> Callable[[], None]:
        """Write the events of an emulator; the returned function ends that."""

        def write(arn: str, events: Sequence[Event]) -> None:
            for event in history(events):
                self._write(emulator, arn, event)

        return emulator.subscribe(write)

    def output(self, line: LogLine) -> None:
        """Write a line that a function wrote."""
        name = None if line.arn is None else ExecutionArn.read(line.arn)
        owner = line.function if name is None else f"{name.execution_name} {line.function}"
        self._say(f"{at(line.at, line.at)}  {owner} | {log_text(line.text)}")

    def _write(self, emulator: Emulator, arn: str, event: HistoryEvent) -> None:
        name = ExecutionArn.parse(arn).execution_name
        with self._lock:
            if arn not in self._texts:
                self._texts[arn] = EventTexts()
            text = self._texts[arn].text(event)
            if event.event_type in _ENDS:
                del self._texts[arn]
        completed = event.invocation_completed_details
        if event.event_type in _QUIET or (completed is not None and completed.error is None):
            return
        time = event.event_timestamp
        prefix = f"{name}: "
        self._say(f"{at(time, time)}  {prefix}{text}")
        place = place_of(event.id, event.name)
        if event.event_type == EventType.CALLBACK_STARTED and (place is None or place.number == 1):
            for hint in self._hints(emulator, arn):
                self._say(f"{at(time, time)}  {prefix}answer with: {hint}")

    def _hints(self, emulator: Emulator, arn: str) -> list[str]:
        try:
            return answers(family(emulator, arn), self._place)
        except ServiceError:
            # It was deleted in this moment.
            return []
