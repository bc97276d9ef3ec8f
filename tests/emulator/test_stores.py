"""Both stores fulfil the same contract."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.emulator.stores.store import (
    ConflictError,
    Counts,
    ExecutionRecord,
    NameTakenError,
    Search,
    Standing,
    Store,
)

RUNNING = Standing(status="RUNNING", is_open=True)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store = (
        MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "executions.db")
    )
    yield opened
    opened.close()


def record(name: str, *, function: str = "f", started_at: int = 1_000) -> ExecutionRecord:
    return ExecutionRecord(
        arn=f"arn:{name}",
        name=name,
        function=function,
        version="$LATEST",
        status="RUNNING",
        started_at=started_at,
    )


def test_events_come_back_in_the_order_in_which_they_were_appended(store: Store) -> None:
    store.create(record("a"), [b'{"n":1}'])
    store.append("arn:a", 1, [b'{"n":2}', '{"n":"ü\\u0000"}'.encode()], RUNNING)
    assert store.events("arn:a") == [b'{"n":1}', b'{"n":2}', '{"n":"ü\\u0000"}'.encode()]
    assert store.events("arn:a", 2) == ['{"n":"ü\\u0000"}'.encode()]
    assert store.events("arn:a", 3) == []


def test_an_append_after_an_outdated_event_is_refused_and_changes_nothing(store: Store) -> None:
    store.create(record("a"), [b"1"])
    store.append("arn:a", 1, [b"2"], RUNNING)
    with pytest.raises(ConflictError):
        store.append("arn:a", 1, [b"3"], Standing(status="FAILED", is_open=False, ended_at=5))
    stored_record = store.find("arn:a")
    assert store.events("arn:a") == [b"1", b"2"]
    assert (
        stored_record is not None
        and stored_record.head == 2
        and stored_record.status == "RUNNING"
        and stored_record.is_open
    )


def test_counts_are_kept_with_the_events_to_which_they_belong(store: Store) -> None:
    one, two = Counts(operations=1, attempts=1), Counts(operations=2, attempts=5)
    store.create(msgspec.structs.replace(record("a"), counts=one), [b"1"])
    assert [each.counts for each in store.search(Search())] == [one]
    store.append("arn:a", 1, [b"2"], msgspec.structs.replace(RUNNING, counts=two))
    store.count("arn:a", 1, one)
    store.count("arn:b", 1, one)
    stored = store.find("arn:a")
    assert stored is not None and stored.counts == two
    store.count("arn:a", 2, one)
    stored = store.find("arn:a")
    assert stored is not None and stored.counts == one


def test_an_append_to_an_unknown_execution_is_a_conflict(store: Store) -> None:
    with pytest.raises(ConflictError):
        store.append("arn:a", 0, [b"1"], RUNNING)
    assert store.events("arn:a") == []


def test_a_name_is_there_once(store: Store) -> None:
    store.create(record("a"), [b"1"])
    with pytest.raises(NameTakenError):
        store.create(record("a", function="other"), [b"2"])
    assert store.events("arn:a") == [b"1"]


def test_a_deleted_execution_leaves_nothing_and_its_name_is_free(store: Store) -> None:
    store.create(record("a"), [b"1"])
    store.delete("arn:a")
    store.delete("arn:a")
    assert store.find("arn:a") is None
    assert store.find_name("a") is None
    assert store.events("arn:a") == []
    store.create(record("a"), [b"2"])
    assert store.events("arn:a") == [b"2"]


def test_an_execution_is_found_by_arn_and_by_name(store: Store) -> None:
    store.create(record("a"), [b"1"])
    stored_record = store.find("arn:a")
    assert stored_record == store.find_name("a")
    assert stored_record is not None
    assert (
        stored_record.arn,
        stored_record.head,
        stored_record.is_open,
        stored_record.ended_at,
    ) == ("arn:a", 1, True, None)
    assert store.find("arn:b") is None
    assert store.find_name("b") is None


def test_open_heads_leaves_out_ended_executions(store: Store) -> None:
    store.create(record("a"), [b"1"])
    store.create(record("b"), [b"1", b"2"])
    store.append("arn:a", 1, [b"2"], Standing(status="SUCCEEDED", is_open=False, ended_at=9))
    assert store.open_heads() == {"arn:b": 2}
    stored_record = store.find("arn:a")
    assert stored_record is not None and (stored_record.status, stored_record.ended_at) == (
        "SUCCEEDED",
        9,
    )


def names(store: Store, search: Search) -> list[str]:
    return [execution.name for execution in store.search(search)]


def test_a_search_is_newest_first_and_filters(store: Store) -> None:
    for number, name in enumerate(["a", "b", "c", "d"]):
        function = "g" if name == "c" else "f"
        store.create(record(name, function=function, started_at=1_000 + number), [b"1"])
    store.append("arn:b", 1, [b"2"], Standing(status="FAILED", is_open=False, ended_at=9))
    assert names(store, Search()) == ["d", "c", "b", "a"]
    assert names(store, Search(oldest_first=True)) == ["a", "b", "c", "d"]
    assert names(store, Search(function="f")) == ["d", "b", "a"]
    assert names(store, Search(version="1")) == []
    assert names(store, Search(name="c")) == ["c"]
    assert names(store, Search(statuses=["FAILED", "STOPPED"])) == ["b"]
    assert names(store, Search(started_after=1_000, started_before=1_003)) == ["c", "b"]


@pytest.mark.parametrize("oldest_first", [False, True])
def test_pages_of_executions_that_started_together_are_complete(
    store: Store, oldest_first: bool
) -> None:
    for number in range(7):
        store.create(record(f"e{number}", started_at=1_000 + number // 3), [b"1"])
    all_names = names(store, Search(oldest_first=oldest_first))
    paged: list[str] = []
    after: tuple[int, int] | None = None
    while page := store.search(Search(oldest_first=oldest_first, after=after, limit=2)):
        paged.extend(execution.name for execution in page)
        after = (page[-1].started_at, page[-1].number)
    assert paged == all_names
    assert len(paged) == 7


def test_threads_that_append_at_once_take_turns(store: Store) -> None:
    store.create(record("a"), [b"0"])
    conflicts: list[int] = []

    def append(worker: int) -> None:
        done = 0
        while done < 20:
            head = len(store.events("arn:a"))
            try:
                store.append("arn:a", head, [f'"{worker}-{done}"'.encode()], RUNNING)
            except ConflictError:
                conflicts.append(worker)
            else:
                done += 1

    in_threads(append, 4)
    events = store.events("arn:a")
    assert len(events) == 81
    assert len(set(events)) == 81
    for worker in range(4):
        worker_events = [event for event in events if event.startswith(f'"{worker}-'.encode())]
        assert worker_events == [f'"{worker}-{number}"'.encode() for number in range(20)]


def in_threads(run: Callable[[int], None], count: int) -> None:
    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_lease_has_one_holder_until_it_lets_go(store: Store) -> None:
    release = store.leases.acquire("arn:a")
    assert release is not None
    assert store.leases.acquire("arn:a") is None
    other = store.leases.acquire("arn:b")
    assert other is not None
    other()
    release()
    again = store.leases.acquire("arn:a")
    assert again is not None
    again()


def test_threads_never_hold_the_same_lease_together(store: Store) -> None:
    held: list[int] = []
    clashes: list[int] = []

    def work(worker: int) -> None:
        done = 0
        while done < 25:
            release = store.leases.acquire("arn:a")
            if release is None:
                continue
            held.append(worker)
            if len(held) > 1:
                clashes.append(worker)
            held.remove(worker)
            release()
            done += 1

    in_threads(work, 4)
    assert clashes == []


WRITER = """
import sys
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.emulator.stores.store import ConflictError, Standing
store = SqliteStore(sys.argv[1])
done = 0
while done < 30:
    try:
        head = len(store.events("arn:a"))
        store.append("arn:a", head, [b'"%d"' % done], Standing(status="RUNNING", is_open=True))
        done += 1
    except ConflictError:
        pass
store.close()
"""


def test_processes_that_append_at_once_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "executions.db"
    store = SqliteStore(path)
    store.create(record("a"), [b'"first"'])
    before = store.pulse()
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path)]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert store.pulse() != before
    assert len(store.events("arn:a")) == 61
    store.close()


def test_a_memory_store_shows_that_it_was_written_to() -> None:
    store = MemoryStore()
    before = store.pulse()
    store.create(record("a"), [b"1"])
    assert store.pulse() != before


KILLED = """
import os, signal, sys
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.emulator.stores.store import Standing
store = SqliteStore(sys.argv[1])
lease = store.leases.acquire("arn:a")
assert lease is not None
store.append("arn:a", 1, [b"2"], Standing(status="RUNNING", is_open=True))
store._file._db.execute("BEGIN IMMEDIATE")
store._file._db.execute("UPDATE executions SET head = 99")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_kill_9_keeps_complete_appends_only_and_frees_the_lease(
    tmp_path: Path,
) -> None:
    path = tmp_path / "executions.db"
    store = SqliteStore(path)
    store.create(record("a"), [b"1"])
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode == -9
    stored_record = store.find("arn:a")
    assert stored_record is not None and stored_record.head == 2
    assert store.events("arn:a") == [b"1", b"2"]
    store.append("arn:a", 2, [b"3"], RUNNING)
    release = store.leases.acquire("arn:a")
    assert release is not None
    release()
    assert list(Path(f"{path}.leases").iterdir()) == []
    store.close()
