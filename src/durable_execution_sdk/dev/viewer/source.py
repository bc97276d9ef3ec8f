"""A place that executions are read from."""

from __future__ import annotations

import threading
from typing import Protocol

from durable_execution_sdk.dev.feed.about import About
from durable_execution_sdk.dev.feed.changes import Changes
from durable_execution_sdk.dev.feed.process_view import ProcessView
from durable_execution_sdk.emulator.emulator import Emulator

__all__ = ["Source"]


class Source(Protocol):
    """Executions behind an emulator that only reads, and the extras that are known of them here."""

    @property
    def emulator(self) -> Emulator:
        """The executions."""
        ...

    @property
    def local(self) -> ProcessView:
        """The extras."""
        ...

    @property
    def arn(self) -> str | None:
        """The execution to look at first; ``None`` for all."""
        ...

    def about(self) -> About:
        """Describe the place; called in any thread."""
        ...

    def follow(self, changes: Changes, stop: threading.Event) -> None:
        """Read what is new, and announce it, until ``stop`` is set or nothing can come any more."""
        ...

    def close(self) -> None:
        """Release files and connections, after ``follow`` has returned."""
        ...
