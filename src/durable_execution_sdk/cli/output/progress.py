"""Displays of a running execution: a live tree in a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from durable_execution_sdk.cli.output.callback_hints import answers
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.tree import tree
from durable_execution_sdk.cli.store_file import ExecutionPlace
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.events import Event, ExecutionPaused, InvocationCompleted
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.rendering.batch_progress import (
    Batches,
    Totals,
    family_batches,
    no_totals,
)
from durable_execution_sdk.rendering.escaping import visible
from durable_execution_sdk.rendering.family import family
from durable_execution_sdk.rendering.outline import Drawing
from durable_execution_sdk.rendering.times import at, span
from durable_execution_sdk.rendering.wording import EventTexts, brief, comes_again, waits

_FRAMES_PER_SECOND = 8
_ROWS_BELOW = 6


Watch = Callable[[Emulator, str, ExecutionPlace], AbstractContextManager[None]]
"""Returns a context manager that shows an execution while it is open."""


class Lines:
    """Prints each event as a line, and the waiting operations when no handler runs."""

    def __init__(self, *, err: bool = False) -> None:
        self._err = err
        self._last_summary: list[str] = []

    @contextmanager
    def __call__(self, emulator: Emulator, arn: str, place: ExecutionPlace) -> Generator[None]:
        """Show an execution's events until the context is closed."""
        texts: dict[str, EventTexts] = {}

        def print_events(source: str, events: Sequence[Event]) -> None:
            if source not in texts:
                texts[source] = EventTexts(emulator.operations(source))
            prefix = "" if source == arn else f"{ExecutionArn.parse(source).function_name}: "
            now = emulator.coordinator.now(source)
            for entry in history(events):
                text = texts[source].text(entry)
                say(f"{at(entry.event_timestamp, now)}  {prefix}{text}", err=self._err)
            # An execution can wait only while no invocation of it runs.
            if any(isinstance(event, InvocationCompleted | ExecutionPaused) for event in events):
                self._print_waits(emulator, arn, place)

        unsubscribe = emulator.subscribe(print_events)
        try:
            self._print_waits(emulator, arn, place)
            yield
        finally:
            unsubscribe()

    def _print_waits(self, emulator: Emulator, arn: str, place: ExecutionPlace) -> None:
        executions = family(emulator, arn)
        now = emulator.now(arn)
        lines = waits(executions, now)
        summary = [line.partition(" (in ")[0] for line in lines]
        if lines and summary != self._last_summary:
            for line in lines:
                say(f"{at(now, now)}  {line}", err=self._err)
            for command in answers(executions, place):
                say(f"{at(now, now)}  answer with: {command}", err=self._err)
        self._last_summary = summary


class LiveTree:
    """Draws an execution's operations as a tree, and redraws it eight times a second."""

    def __init__(
        self, console: Console, footnote: Callable[[], str | None], totals: Totals = no_totals
    ) -> None:
        self._console = console
        self._totals = totals
        self._footnote = footnote

    @contextmanager
    def __call__(self, emulator: Emulator, arn: str, place: ExecutionPlace) -> Generator[None]:
        """Show an execution's tree until the context is closed."""
        live = Live(
            console=self._console,
            get_renderable=lambda: self._picture(emulator, arn, place),
            refresh_per_second=_FRAMES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with live:
            yield

    def _picture(self, emulator: Emulator, arn: str, place: ExecutionPlace) -> RenderableType:
        executions = family(emulator, arn)
        now = emulator.now(arn)
        rows = max(3, self._console.height - _ROWS_BELOW)
        batches = family_batches(executions, self._totals)
        options = drawing(self._console, now, rows, batches=batches)
        parts: list[RenderableType] = [tree(options.outline(executions))]
        footnote = self._footnote() or (
            f"{span(now - executions.execution.started_at)}, invocation {executions.execution.invocations}"
        )
        parts.append(Text(footnote, style="dim"))
        if executions.retry_at is not None:
            error = executions.last_failure
            reason = "" if error is None else f": {brief(error)}"
            parts.append(Text(comes_again(executions.retry_at, now) + reason, style="red"))
        parts += [
            Text(visible(f"answer with: {command}"), style="yellow")
            for command in answers(executions, place)
        ]
        return Group(*parts)


def drawing(
    console: Console,
    now: int,
    rows: int | None = None,
    *,
    payloads: bool = False,
    batches: Batches | None = None,
) -> Drawing:
    """Make the drawing options of a console: ASCII only, unless its encoding is a Unicode one."""
    plain = not console.encoding.lower().startswith("utf")
    return Drawing(now=now, rows=rows, plain=plain, payloads=payloads, batches=batches)
