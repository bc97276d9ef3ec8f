"""Where things are written: what the command shows, and what user code prints and logs meanwhile."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TextIO, cast

from rich.console import Console
from rich.file_proxy import FileProxy

from durable_execution_sdk.cli.saying import say
from durable_execution_sdk.cli.tree import tree
from durable_execution_sdk.cli.watching import Lines, LiveTree, Watch, drawing
from durable_execution_sdk.operations.options import shown
from durable_execution_sdk.runtime.logger import fields_of
from durable_execution_sdk.showing.family import Family
from durable_execution_sdk.showing.visible import visible

_MOST_ROWS = 60
_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Streams:
    """Progress goes to stdout; with ``as_json`` that is kept for the document, and stderr serves."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.console = Console(stderr=as_json)

    @property
    def is_live(self) -> bool:
        """Whether there is a terminal on which a picture can change."""
        return self.console.is_terminal and os.environ.get("TERM") != "dumb"

    def watch(self, footnote: Callable[[], str | None]) -> Watch:
        """How progress is shown here."""
        return LiveTree(self.console, footnote) if self.is_live else Lines(err=self._as_json)

    def say(self, line: str) -> None:
        """A line of progress."""
        say(line, err=self._as_json)

    def draw(self, found: Family, now: int) -> None:
        """The last picture, which stays."""
        self.console.print(tree(drawing(self.console, now, _MOST_ROWS).outline(found)))

    @contextmanager
    def for_user_code(self) -> Generator[None]:
        """Let user code print and log above the picture, and never into the JSON document."""
        before = sys.stdout, sys.stderr
        sys.stderr = self._above(sys.stderr)
        sys.stdout = sys.stderr if self._as_json else self._above(sys.stdout)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = before

    def _above(self, stream: TextIO) -> TextIO:
        if self.is_live and stream.isatty():
            return cast("TextIO", FileProxy(self.console, stream))
        return stream


def show_logs(level: str) -> None:
    """Write what user code logs to stderr, unless it has set up logging itself."""
    root = logging.getLogger()
    if not root.handlers:
        logging.basicConfig(level=level.upper(), stream=sys.stderr)
        for handler in root.handlers:
            handler.setFormatter(_Visible(_LOG_FORMAT))


class _Visible(logging.Formatter):
    """Log lines in which nothing controls the terminal, whoever they repeat."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (the standard library's name)
        """The line, and the fields that workflow code or a step logged with it."""
        fields = fields_of(record) if hasattr(record, "durable_execution_arn") else {}
        return " ".join([super().formatMessage(record), *map(_written, fields.items())])

    def format(self, record: logging.LogRecord) -> str:
        """One line, or more for a traceback."""
        return visible(super().format(record))


def _written(field: tuple[str, object]) -> str:
    """A field as key=value; quoted where a reader could not tell its end."""
    name, value = field
    text = value if isinstance(value, str) else shown(value)
    plain = text and not any(character.isspace() or character in "\"'=" for character in text)
    return f"{name}={text if plain or not isinstance(value, str) else repr(text)}"
