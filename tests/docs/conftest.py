"""Code of pages sets up loggers, as users do: no test of another file may see that."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def loggers_are_restored() -> Iterator[None]:
    """Give each logger the handlers, filters, level and propagation back that it had, and structlog its defaults."""
    _reset_structlog()
    before = {logger: _settings(logger) for logger in _loggers()}
    yield
    _reset_structlog()
    for logger in _loggers():
        handlers, filters, level, propagates = before.get(logger, ([], [], logging.NOTSET, True))
        logger.handlers[:], logger.filters[:] = handlers, filters
        logger.propagate = propagates
        if logger.level != level:
            logger.setLevel(level)


def _reset_structlog() -> None:
    if structlog := sys.modules.get("structlog"):
        structlog.reset_defaults()


def _loggers() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())
    return [logging.root, *(each for each in known if isinstance(each, logging.Logger))]


def _settings(
    logger: logging.Logger,
) -> tuple[list[logging.Handler], list[logging.Filter], int, bool]:
    return [*logger.handlers], [*logger.filters], logger.level, logger.propagate  # type: ignore[list-item]
