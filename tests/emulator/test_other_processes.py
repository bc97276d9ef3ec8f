"""Executions that another process starts and deletes are announced, however short they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.engine.events import Event
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest


class Watched:
    """An emulator over a file, and the names of the events that its observers get."""

    def __init__(self, path: Path) -> None:
        functions = Functions()
        functions.add_durable("f", lambda _: lambda event, context: None)
        self.emulator = Emulator(SqliteStore(path), RealClock(), functions)
        self.seen: list[tuple[str, str]] = []
        self.emulator.subscribe(self._observe)
        self.emulator.coordinator.refresh()

    def _observe(self, arn: str, events: Sequence[Event]) -> None:
        self.seen += [(arn, type(event).__name__) for event in events]

    def start(self, name: str, payload: bytes = b"1") -> str:
        return self.emulator.start(
            InvokeRequest(
                function_name="f:$LATEST",
                payload=payload,
                durable_execution_name=name,
                invocation_type=InvocationType.EVENT,
            )
        )

    def news(self) -> list[tuple[str, str]]:
        self.emulator.coordinator.refresh()
        seen, self.seen = self.seen, []
        return seen


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Watched, Watched]]:
    first, second = Watched(tmp_path / "x.db"), Watched(tmp_path / "x.db")
    yield first, second
    first.emulator.close()
    second.emulator.close()


def test_an_execution_of_another_process_is_announced_from_its_start(
    both: tuple[Watched, Watched],
) -> None:
    own, other = both
    arn = other.start("a")
    other.emulator.stop(arn)
    assert own.news() == [(arn, "ExecutionStarted"), (arn, "ExecutionStopped")]
    assert own.news() == []
    assert other.news() == [(arn, "ExecutionStarted"), (arn, "ExecutionStopped")]


def test_one_that_was_read_before_is_announced_whole_and_once(
    both: tuple[Watched, Watched],
) -> None:
    own, other = both
    arn = other.start("a")
    assert own.emulator.describe(arn).status == "RUNNING"
    other.emulator.stop(arn)
    assert own.news() == [(arn, "ExecutionStarted"), (arn, "ExecutionStopped")]


def test_deletions_of_others_are_announced(both: tuple[Watched, Watched]) -> None:
    own, other = both
    closed, short = own.start("a"), other.start("b")
    own.emulator.stop(closed)
    other.emulator.stop(short)
    own.news()
    other.emulator.delete(closed)
    other.emulator.delete(short)
    brief = other.start("c")
    other.emulator.stop(brief)
    other.emulator.delete(brief)
    assert sorted(own.news()) == sorted((arn, "ExecutionDeleted") for arn in (closed, short, brief))


def test_own_deletions_are_announced_once(both: tuple[Watched, Watched]) -> None:
    own, other = both
    arn = own.start("a")
    own.emulator.stop(arn)
    own.news()
    own.emulator.delete(arn)
    other.start("b")
    assert [news for news in own.news() if news[0] == arn] == [(arn, "ExecutionDeleted")]


def test_what_was_there_at_the_start_is_not_news(tmp_path: Path) -> None:
    first = Watched(tmp_path / "x.db")
    first.start("a")
    second = Watched(tmp_path / "x.db")
    assert second.news() == []
    first.emulator.close()
    second.emulator.close()
