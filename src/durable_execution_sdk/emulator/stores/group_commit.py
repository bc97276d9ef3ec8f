"""Group commit: a lock whose holders share the commits of what they write under it.

A commit waits for the disk, which takes milliseconds, and many threads may write. With a commit for each
write, eight executions that checkpoint at the same time wait for eight syncs, one after the other. By these
rules one sync serves many threads, and no answer gets ahead of the disk:

- A thread does not leave before everything that was written so far under the lock is stored. That holds
  for a thread that only read, too: it may have read what is not stored yet.
- A thread that would leave while others wait for the lock lets them in first, and waits for the commit
  of the group. The last one, for which no thread waits, commits for all.
- Each thread waits for its group, so a group has no more writes than there are threads. A thread that is
  alone commits at once.
- If a commit fails, all threads of the group raise, and so does every later one: states in memory are
  ahead of the store then.

With eight threads A to H that write at the same time::

    A  lock, write, commit ............. answer
    B  wait for the lock ............... write, wait ................... answer
    C  wait for the lock ............... write, wait ................... answer
    ...
    H  wait for the lock ............... write, commit ................. answer

That is two syncs instead of eight. Without the second rule, B would find nothing to wait for, and commit alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar, TypeVarTuple, Unpack

from durable_execution_sdk.emulator.stores.store import Store

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_HELD = nullcontext()

_RECHECK_SECONDS = 0.05
"""Longest wait for another thread's commit: a thread that Ctrl-C interrupts may leave without one."""


class GroupCommit:
    """A lock that a thread may take again while it holds it; to leave it means to commit, as described above.

    ``on_commit`` is called under the lock when everything written under it is stored, ``on_leave``
    without the lock after that.
    """

    def __init__(
        self, store: Store, on_commit: Callable[[], None], on_leave: Callable[[], None]
    ) -> None:
        self._store = store
        self._on_commit = on_commit
        self._on_leave = on_leave
        self._lock = threading.RLock()
        self._committed = threading.Condition(self._lock)
        self._commits = 0
        self._holder: int | None = None
        self._arriving: set[int] = set()
        self._is_closed = False
        store.group_writes()

    def holding(self) -> AbstractContextManager[None]:
        """Return a context manager that holds the lock."""
        # The holder is this thread only while it has the lock, so there is no race in the check.
        return _HELD if self._holder == threading.get_ident() else self._hold()

    @contextmanager
    def _hold(self) -> Generator[None]:
        me = threading.get_ident()
        try:
            self._arriving.add(me)
            with self._lock:
                self._arriving.discard(me)
                self._holder = me
                try:
                    yield
                finally:
                    self._holder = None
                    self._commit_together()
        finally:
            self._arriving.discard(me)
            self._on_leave()

    def run(self, function: Callable[[Unpack[_Ts]], _T], *args: *_Ts) -> _T:
        """Call a function under the lock; faster than ``holding``, whose generator costs as much as a write."""
        me = threading.get_ident()
        if self._holder == me:
            return function(*args)
        try:
            self._arriving.add(me)
            with self._lock:
                self._arriving.discard(me)
                self._holder = me
                try:
                    return function(*args)
                finally:
                    self._holder = None
                    self._commit_together()
        finally:
            self._arriving.discard(me)
            self._on_leave()

    def close(self) -> None:
        """Commit what was written, and close the store."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            try:
                self._commit()
            finally:
                self._store.close()
        self._on_leave()

    def _commit_together(self) -> None:
        """Return once everything written up to now is stored."""
        if not self._store.uncommitted():
            self._on_commit()
            return
        commits = self._commits
        while self._arriving and self._commits == commits:
            self._committed.wait(_RECHECK_SECONDS)
        if self._commits == commits:
            self._commit()
        else:
            self._store.uncommitted()  # raises if the other thread's commit has failed

    def _commit(self) -> None:
        try:
            self._store.commit()
        finally:
            self._commits += 1
            self._committed.notify_all()
        self._on_commit()
