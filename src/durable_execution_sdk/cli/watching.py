"""Shows an execution while it runs: as a tree that changes in a terminal, as lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from durable_execution_sdk.cli.answering import answers
from durable_execution_sdk.cli.place import Place
from durable_execution_sdk.cli.saying import say
from durable_execution_sdk.cli.tree import tree
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.events import Event, ExecutionPaused, InvocationCompleted
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.model.ids import ExecutionArn
from durable_execution_sdk.showing.family import family
from durable_execution_sdk.showing.outline import Drawing
from durable_execution_sdk.showing.times import at, span
from durable_execution_sdk.showing.visible import visible
from durable_execution_sdk.showing.words import brief, comes_again, told, waits

_FRAMES_PER_SECOND = 8
_ROWS_BELOW = 6


Watch = Callable[[Emulator, str, Place], AbstractContextManager[None]]
"""Shows an execution for as long as its context is open."""


class Lines:
    """Every event as one line, as it happens, and what the execution waits for whenever it does."""

    def __init__(self, *, err: bool = False) -> None:
        self._err = err
        self._said: list[str] = []

    @contextmanager
    def __call__(self, emulator: Emulator, arn: str, place: Place) -> Generator[None]:
        """Show an execution from here on."""

        def hear(where: str, events: Sequence[Event]) -> None:
            prefix = "" if where == arn else f"{ExecutionArn.parse(where).function_name}: "
            now = emulator.clock.now()
            for entry in history(events):
                say(f"{at(entry.event_timestamp, now)}  {prefix}{told(entry)}", err=self._err)
            # A handler begins to wait when its invocation is over, or never has the chance to.
            if any(isinstance(event, InvocationCompleted | ExecutionPaused) for event in events):
                self._say_waits(emulator, arn, place)

        unsubscribe = emulator.subscribe(hear)
        try:
            self._say_waits(emulator, arn, place)
            yield
        finally:
            unsubscribe()

    def _say_waits(self, emulator: Emulator, arn: str, place: Place) -> None:
        found = family(emulator, arn)
        now = emulator.clock.now()
        lines = waits(found, now)
        said = [*(each.partition(" (in ")[0] for each in lines)]
        if lines and said != self._said:
            for line in lines:
                say(f"{at(now, now)}  {line}", err=self._err)
            for answer in answers(found, place):
                say(f"{at(now, now)}  answer with: {answer}", err=self._err)
        self._said = said


class LiveTree:
    """A tree of operations that is drawn anew several times a second."""

    def __init__(self, console: Console, footnote: Callable[[], str | None]) -> None:
        self._console = console
        self._footnote = footnote

    @contextmanager
    def __call__(self, emulator: Emulator, arn: str, place: Place) -> Generator[None]:
        """Show an execution from here on."""
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

    def _picture(self, emulator: Emulator, arn: str, place: Place) -> RenderableType:
        found = family(emulator, arn)
        now = emulator.clock.now()
        rows = max(3, self._console.height - _ROWS_BELOW)
        parts: list[RenderableType] = [tree(drawing(self._console, now, rows).outline(found))]
        footnote = self._footnote() or (
            f"{span(now - found.execution.started_at)}, invocation {found.execution.invocations}"
        )
        parts.append(Text(footnote, style="dim"))
        if found.retry_at is not None:
            error = found.last_failure
            why = "" if error is None else f": {brief(error)}"
            parts.append(Text(comes_again(found.retry_at, now) + why, style="red"))
        parts += [
            Text(visible(f"answer with: {each}"), style="yellow") for each in answers(found, place)
        ]
        return Group(*parts)


def drawing(console: Console, now: int, rows: int | None = None) -> Drawing:
    """How to draw on a console: with letters only where the encoding has no more."""
    return Drawing(now=now, rows=rows, plain=not console.encoding.lower().startswith("utf"))
