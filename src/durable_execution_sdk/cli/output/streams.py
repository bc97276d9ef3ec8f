"""Direct progress, and the output and logs of user code, to stdout and stderr."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TextIO, cast

from rich.console import Console
from rich.file_proxy import FileProxy

from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.progress import Lines, LiveTree, Watch, drawing
from durable_execution_sdk.cli.output.tree import tree
from durable_execution_sdk.rendering.batch_progress import Totals, family_batches
from durable_execution_sdk.rendering.escaping import visible
from durable_execution_sdk.rendering.family import Family
from durable_execution_sdk.runtime.error_objects import shown
from durable_execution_sdk.runtime.logging import fields_of

_MOST_ROWS = 60
_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Streams:
    """The streams of a command. Progress goes to stdout; with ``as_json`` to stderr."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.console = Console(stderr=as_json)

    @property
    def is_live(self) -> bool:
        """True if progress is a tree that is redrawn: on a terminal that supports it."""
        return self.console.is_terminal and os.environ.get("TERM") != "dumb"

    def watch(self, footnote: Callable[[], str | None], totals: Totals) -> Watch:
        """Return the display of progress for these streams."""
        if self.is_live:
            return LiveTree(self.console, footnote, totals)
        return Lines(err=self._as_json)

    def say(self, line: str) -> None:
        """Write a line of progress."""
        say(line, err=self._as_json)

    def draw(self, executions: Family, now: int, totals: Totals) -> None:
        """Print the final tree."""
        batches = family_batches(executions, totals)
        options = drawing(self.console, now, _MOST_ROWS, batches=batches)
        self.console.print(tree(options.outline(executions)))

    @contextmanager
    def for_user_code(self) -> Generator[None]:
        """Let user code print and log above the live tree, and never into the JSON document."""
        before = sys.stdout, sys.stderr
        sys.stderr = self._above_tree(sys.stderr)
        sys.stdout = sys.stderr if self._as_json else self._above_tree(sys.stdout)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = before

    def _above_tree(self, stream: TextIO) -> TextIO:
        if self.is_live and stream.isatty():
            return cast("TextIO", FileProxy(self.console, stream))
        return stream


def show_logs(level: str) -> None:
    """Configure logging to stderr, unless user code has configured it."""
    root = logging.getLogger()
    if not root.handlers:
        logging.basicConfig(level=level.upper(), stream=sys.stderr)
        for handler in root.handlers:
            handler.setFormatter(_Visible(_LOG_FORMAT))


class _Visible(logging.Formatter):
    """A log formatter that escapes control characters."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (the standard library's name)
        """Format the message and the fields that ``ctx.log_info(message, **fields)`` gave it."""
        fields = fields_of(record) if hasattr(record, "durable_execution_arn") else {}
        return " ".join([super().formatMessage(record), *map(_field_text, fields.items())])

    def format(self, record: logging.LogRecord) -> str:
        """Format the record with control characters escaped."""
        return visible(super().format(record))


def _field_text(field: tuple[str, object]) -> str:
    """Write a field as key=value; a text with spaces, quotes or ``=`` is quoted."""
    name, value = field
    text = value if isinstance(value, str) else shown(value)
    plain = text and not any(character.isspace() or character in "\"'=" for character in text)
    return f"{name}={text if plain or not isinstance(value, str) else repr(text)}"
