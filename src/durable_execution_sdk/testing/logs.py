"""The log lines of executions, caught while they run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from durable_execution_sdk.runtime.logger import underlying

__all__ = ["LogCatcher"]

_lock = threading.Lock()
_levels: list[int] = []
_level_before = logging.NOTSET


# Whose executions the code that logs belongs to: several runners may be at work at once.
_catcher: ContextVar[LogCatcher | None] = ContextVar("durable_test_logs", default=None)


class LogCatcher(logging.Handler):
    """Keeps the records of a runner's executions: the SDK's filter marks each with its ARN.

    Like Lambda it sees what reaches the root logger, and the workflow's own logger if that keeps its
    records to itself; and lines of replayed code only where the handler asks for them.
    """

    def __init__(self, level: int, logger: logging.Logger) -> None:
        super().__init__()
        self._level_wanted = level
        own = underlying(logger)
        is_heard = getattr(own, "propagate", True) or not hasattr(own, "addHandler")
        self._loggers = [logging.root] if is_heard else [logging.root, own]
        self._records: dict[str, list[logging.LogRecord]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        arn = getattr(record, "durable_execution_arn", None)
        is_wanted = record.levelno >= self._level_wanted and _catcher.get() is self
        if isinstance(arn, str) and is_wanted:
            self._records.setdefault(arn, []).append(record)

    def of(self, arn: str) -> list[logging.LogRecord]:
        """The records of one execution."""
        return list(self._records.get(arn, ()))

    @contextmanager
    def catching(self) -> Generator[None]:
        """Listen, and let the root logger pass on what is wanted."""
        _raise_to(self._level_wanted)
        for logger in self._loggers:
            logger.addHandler(self)
        mine = _catcher.set(self)
        try:
            yield
        finally:
            _catcher.reset(mine)
            for logger in self._loggers:
                logger.removeHandler(self)
            _give_back(self._level_wanted)


# Runners may work in several threads at once: the last one puts the level back.


def _raise_to(level: int) -> None:
    global _level_before  # noqa: PLW0603 - the root logger is global, and so is what it was
    with _lock:
        if not _levels:
            _level_before = logging.root.level
        _levels.append(level)
        logging.root.setLevel(min(_level_before, *_levels))


def _give_back(level: int) -> None:
    with _lock:
        if logging.root.level != min(_level_before, *_levels):
            _levels.remove(level)  # somebody has set it to something else meanwhile
            return
        _levels.remove(level)
        logging.root.setLevel(min([_level_before, *_levels]))
