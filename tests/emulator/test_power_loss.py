"""A loss of power loses nothing that was acknowledged, and threads share the syncs that this takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.emulator.emulator_rig import EmulatorRig, update, waits
from tests.emulator.power import IS_HAD, Disk, put_back
from tests.emulator.test_crashes import complete

from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.engine.commands import StartInvocation
from durable_execution_sdk.engine.events import Event
from durable_execution_sdk.engine.views.handler_view import invocation_event
from durable_execution_sdk.errors import StoreError
from durable_execution_sdk.protocol.data_plane import CheckpointRequest
from durable_execution_sdk.protocol.operations import OperationType
from durable_execution_sdk.protocol.updates import OperationAction

pytestmark = pytest.mark.skipif(
    not IS_HAD, reason="this Python hides the SQLite that it is built with"
)

THREADS = 8


class Writer:
    """An execution with an invocation that runs, and that checkpoints when it is told to."""

    def __init__(self, rig: EmulatorRig) -> None:
        self._rig = rig
        self.arn = rig.start()
        state = rig.emulator.coordinator.submit(
            self.arn, StartInvocation(request_id="r", secret=rig.emulator.secret)
        )
        self._token: str | None = invocation_event(state, rig.emulator.limits).checkpoint_token

    def checkpoint(self, operation_id: str) -> None:
        assert self._token is not None
        self._token = self._rig.emulator.checkpoint(
            CheckpointRequest(
                durable_execution_arn=self.arn,
                checkpoint_token=self._token,
                updates=[
                    update(operation_id, OperationType.STEP, OperationAction.START),
                    update(operation_id, OperationType.STEP, OperationAction.SUCCEED, payload="1"),
                ],
            )
        ).checkpoint_token


class Arrivals(set[int]):
    """The threads that wait for the lock, with an event for when all but one do."""

    def __init__(self) -> None:
        super().__init__()
        self.are_all = threading.Event()

    def add(self, element: int) -> None:
        super().add(element)
        if len(self) == THREADS - 1:
            self.are_all.set()


class FirstSync:
    """Holds the first sync of a commit up until all other threads wait for the lock."""

    def __init__(self) -> None:
        self.arrivals = Arrivals()
        self.is_held = threading.Event()

    def hold(self) -> None:
        self.is_held.set()
        assert self.arrivals.are_all.wait(60)


def in_threads(run: Callable[[int], None], first: FirstSync | None = None) -> None:
    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for number, thread in enumerate(threads):
        thread.start()
        if number == 0 and first is not None:
            assert first.is_held.wait(60)
    for thread in threads:
        thread.join()


def opened(path: Path) -> tuple[EmulatorRig, list[Writer]]:
    rig = EmulatorRig(SqliteStore(path))
    rig.add("f", waits)
    return rig, [Writer(rig) for _ in range(THREADS)]


def steps_in(kept: dict[str, bytes], directory: Path, arn: str) -> list[str]:
    put_back(kept, directory)
    rig = EmulatorRig(SqliteStore(directory / "x.db"))
    try:
        return [operation.id for operation in rig.emulator.operations(arn)[1:]]
    finally:
        rig.emulator.close()


def test_all_that_was_acknowledged_shown_or_observed_is_there_after_a_loss_of_power(
    tmp_path: Path,
) -> None:
    claims: list[tuple[dict[str, bytes], str, str]] = []
    with Disk() as disk:
        rig, writers = opened(tmp_path / "x.db")

        def observe(arn: str, events: Sequence[Event]) -> None:
            kept = disk.kept()
            ids = {getattr(event, "operation", None) for event in events} - {None}
            claims.extend((kept, arn, operation.id) for operation in ids if operation is not None)

        def run(number: int) -> None:
            for step in range(3):
                writers[number].checkpoint(f"{step}")
                claims.append((disk.kept(), writers[number].arn, f"{step}"))
                other = writers[number - 1].arn
                shown = rig.emulator.operations(other)[1:]
                kept = disk.kept()
                claims.extend((kept, other, operation.id) for operation in shown)

        rig.emulator.subscribe(observe)
        in_threads(run)
        rig.emulator.close()
    assert len(claims) > THREADS * 3 * 2
    states: dict[tuple[int, str], list[str]] = {}
    for kept, arn, operation_id in claims:
        key = hash(tuple(kept.values())), arn
        if key not in states:
            states[key] = steps_in(kept, tmp_path / f"after-{len(states)}", arn)
        assert operation_id in states[key]


def test_threads_that_checkpoint_at_once_share_a_sync(tmp_path: Path) -> None:
    first = FirstSync()
    begun = -1

    def hold_the_first(number: int) -> bool:
        if number == begun:
            first.hold()
        return True

    with Disk(hold_the_first) as disk:
        rig, writers = opened(tmp_path / "x.db")
        rig.emulator.coordinator._lock._arriving = first.arrivals  # pyright: ignore[reportPrivateUsage]
        begun = disk.commits
        in_threads(lambda number: writers[number].checkpoint("a"), first)
        assert disk.commits == begun + 2
        writers[0].checkpoint("b")
        assert disk.commits == begun + 3
        assert rig.emulator.operations(writers[0].arn)[-1].id == "b"
        assert disk.commits == begun + 3
        rig.emulator.close()


def test_a_sync_that_fails_acknowledges_nothing_and_ends_the_use_of_the_store(
    tmp_path: Path,
) -> None:
    first = FirstSync()
    begun = -1
    acknowledged: list[str] = []
    errors: list[str] = []

    def fail_the_second(number: int) -> bool:
        if number == begun:
            first.hold()
        return begun < 0 or number == begun

    with Disk(fail_the_second) as disk:
        rig, writers = opened(tmp_path / "x.db")
        rig.emulator.coordinator._lock._arriving = first.arrivals  # pyright: ignore[reportPrivateUsage]
        begun = disk.commits

        def run(number: int) -> None:
            try:
                writers[number].checkpoint("a")
                acknowledged.append(writers[number].arn)
            except StoreError as error:
                errors.append(str(error))

        in_threads(run, first)
        assert (len(acknowledged), len(errors)) == (1, THREADS - 1)
        assert all("x.db" in error for error in errors)
        with pytest.raises(StoreError, match=r"could not be stored.*run again"):
            rig.emulator.describe(acknowledged[0])
        with pytest.raises(StoreError, match="could not be stored"):
            rig.emulator.close()
        kept = disk.kept()
    for number, writer in enumerate(writers):
        steps = steps_in(kept, tmp_path / f"after-{number}", writer.arn)
        assert steps == (["a"] if writer.arn in acknowledged else [])


def test_an_execution_goes_on_after_a_loss_of_power_at_any_sync(tmp_path: Path) -> None:
    moments: list[dict[str, bytes]] = []

    def note(_: int) -> bool:
        moments.append(disk.kept())
        return True

    with Disk(note) as disk:
        rig = EmulatorRig(SqliteStore(tmp_path / "x.db"))
        complete(rig)
        rig.emulator.close()
    assert len(moments) > 10
    for number, kept in enumerate(moments):
        put_back(kept, tmp_path / str(number))
        resumed = EmulatorRig(SqliteStore(tmp_path / str(number) / "x.db"))
        assert resumed.result(complete(resumed)) == [1, "11", "101", 2]
        resumed.emulator.close()


class Watched(SqliteStore):
    """Tells when a thread has found that its writes are not stored yet; it has the lock then."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.is_waiting = threading.Event()

    def uncommitted(self) -> bool:
        is_uncommitted = super().uncommitted()
        if is_uncommitted:
            self.is_waiting.set()
        return is_uncommitted


@pytest.mark.parametrize("works", [True, False], ids=["stored", "lost"])
def test_closing_stores_what_threads_wait_for_and_tells_them_if_it_could_not(
    tmp_path: Path, works: bool
) -> None:
    begun = -1
    answers: list[str] = []
    with Disk(lambda _: works or begun < 0) as disk:
        store = Watched(tmp_path / "x.db")
        rig = EmulatorRig(store)
        rig.add("f", waits)
        writer = Writer(rig)
        store.is_waiting.clear()
        # Another thread is on its way to the lock, so this one waits for that one's commit.
        rig.emulator.coordinator._lock._arriving.add(-1)  # pyright: ignore[reportPrivateUsage]
        begun = disk.commits

        def run() -> None:
            try:
                writer.checkpoint("a")
                answers.append("acknowledged")
            except StoreError as error:
                answers.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()
        assert store.is_waiting.wait(60)
        if works:
            rig.emulator.close()
        else:
            with pytest.raises(StoreError, match=r"cannot use .*x\.db"):
                rig.emulator.close()
        thread.join()
        kept = disk.kept()
    assert steps_in(kept, tmp_path / "after", writer.arn) == (["a"] if works else [])
    if works:
        assert answers == ["acknowledged"]
    else:
        assert "could not be stored" in answers[0]


def test_a_store_that_is_closed_before_its_writes_are_stored_says_that_they_are_lost(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path / "x.db")
    rig = EmulatorRig(store)
    rig.add("f", waits)
    lost = pytest.raises(StoreError, match=r"could not be stored: the store was closed")
    with lost, rig.emulator.coordinator.holding():
        rig.start()
        store.close()
