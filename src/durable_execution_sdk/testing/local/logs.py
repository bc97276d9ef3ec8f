"""Capture the log records of executions while they run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from durable_execution_sdk.runtime.logging import underlying

__all__ = ["LogCatcher"]

_lock = threading.Lock()
_levels: list[int] = []
_level_before = logging.NOTSET


# The catcher of the runner whose code logs: several runners may run at once.
_catcher: ContextVar[LogCatcher | None] = ContextVar("durable_test_logs", default=None)


class LogCatcher(logging.Handler):
    """A logging handler that keeps the records of a runner's executions by ARN.

    It sees records that reach the root logger, as Lambda does, and those of the workflow's own logger if
    that does not propagate. Records of replayed code appear only if the handler enables them.
    """

    def __init__(self, level: int, logger: logging.Logger) -> None:
        super().__init__()
        self._level_wanted = level
        own = underlying(logger)
        is_heard = getattr(own, "propagate", True) or not hasattr(own, "addHandler")
        self._loggers = [logging.root] if is_heard else [logging.root, own]
        self._records: dict[str, list[logging.LogRecord]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record of an execution, if its level is high enough."""
        arn = getattr(record, "durable_execution_arn", None)
        is_wanted = record.levelno >= self._level_wanted and _catcher.get() is self
        if isinstance(arn, str) and is_wanted:
            self._records.setdefault(arn, []).append(record)

    def of(self, arn: str) -> list[logging.LogRecord]:
        """Return the records of one execution."""
        return list(self._records.get(arn, ()))

    @contextmanager
    def catching(self) -> Generator[None]:
        """Capture records while the context is open, with the root logger's level lowered if needed."""
        _lower_root_level(self._level_wanted)
        for logger in self._loggers:
            logger.addHandler(self)
        mine = _catcher.set(self)
        try:
            yield
        finally:
            _catcher.reset(mine)
            for logger in self._loggers:
                logger.removeHandler(self)
            _restore_root_level(self._level_wanted)


# Runners may run in several threads at once; the last one restores the level.


def _lower_root_level(level: int) -> None:
    global _level_before  # noqa: PLW0603 - the root logger is global, and so is what it was
    with _lock:
        if not _levels:
            _level_before = logging.root.level
        _levels.append(level)
        logging.root.setLevel(min(_level_before, *_levels))


def _restore_root_level(level: int) -> None:
    with _lock:
        if logging.root.level != min(_level_before, *_levels):
            _levels.remove(level)  # user code has set another level meanwhile
            return
        _levels.remove(level)
        logging.root.setLevel(min([_level_before, *_levels]))
