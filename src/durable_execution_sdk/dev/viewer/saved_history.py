"""The execution of a saved history."""

from __future__ import annotations

import threading
from pathlib import Path

from durable_execution_sdk.dev.feed.about import About, Origin
from durable_execution_sdk.dev.feed.changes import Changes
from durable_execution_sdk.dev.feed.process_view import ProcessView
from durable_execution_sdk.dev.viewer.history_logs import HistoryLogs
from durable_execution_sdk.engine.execution_time import ExecutionTime
from durable_execution_sdk.engine.from_history import HistoryLog
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.history import EventType
from durable_execution_sdk.rendering.times import iso
from durable_execution_sdk.replay.document import Document, read_history
from durable_execution_sdk.replay.recording import recorded_arn

__all__ = ["SavedHistory"]

_UNKNOWN_FUNCTION = "function"

_GOLDEN = b"execution  "
"""The beginning of a golden history, which has neither ids nor times."""

_ENDS = frozenset(
    {
        EventType.EXECUTION_SUCCEEDED,
        EventType.EXECUTION_FAILED,
        EventType.EXECUTION_TIMED_OUT,
        EventType.EXECUTION_STOPPED,
    }
)


class SavedHistory:
    """The one execution of a file with its history; in an open one, time stands at the last event.

    Raises ``ConfigError`` if the file cannot be read, or is no complete history.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        document = _read(path)
        self.arn = recorded_arn(document, _UNKNOWN_FUNCTION, None)
        self._is_arn_known = document.arn is not None
        self._has_payloads = document.has_payloads
        is_open = document.events[-1].event_type not in _ENDS and not any(
            event.event_type in _ENDS for event in document.events
        )
        last_at = round(max(event.event_timestamp for event in document.events))
        self._saved_at = last_at if is_open else None
        logs = HistoryLogs()
        log = HistoryLog(self.arn, time=ExecutionTime(stands_at=self._saved_at))
        logs.take(log, document.events)
        self.emulator = logs.emulator
        self.local = ProcessView(served_elsewhere=True)

    def about(self) -> About:
        """Describe the file."""
        return About(
            read_only=True,
            origin=Origin.HISTORY,
            name=str(self._path),
            is_live=False,
            as_of=iso(self._saved_at),
            has_payloads=self._has_payloads,
            has_others=False,
            is_arn_known=self._is_arn_known,
        )

    def follow(self, changes: Changes, stop: threading.Event) -> None:
        """Return: the file is read once."""

    def close(self) -> None:
        """Do nothing: the file is closed."""


def _read(path: Path) -> Document:
    try:
        with path.open("rb") as file:
            is_golden = file.read(len(_GOLDEN)) == _GOLDEN
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    if is_golden:
        raise ConfigError(
            f"{path} is the text that assert_history compares: it has neither ids nor times, so there is no"
            " timeline in it. Save the whole history: save_history(result, PATH) in a test, or"
            " `durable history NAME --json`"
        )
    return read_history(path, needs_payloads=False)
