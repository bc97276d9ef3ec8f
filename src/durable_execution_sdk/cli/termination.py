"""The signals that end a command which serves until it is told to stop."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible() -> Generator[None]:
    """Let SIGINT and SIGTERM raise ``KeyboardInterrupt``.

    SIGINT too: a shell starts programs in the background with that signal ignored.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
