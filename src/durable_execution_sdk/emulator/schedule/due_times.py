"""Due times by key, with fast access to the earliest."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=str)

_SLACK = 64


class DueTimes(Generic[_K]):
    """A heap of due times; each key has at most one time.

    A replaced time stays in the heap until it reaches the top, or until more than half is outdated.
    """

    def __init__(self) -> None:
        self._times: dict[_K, int] = {}
        self._heap: list[tuple[int, _K]] = []

    def __len__(self) -> int:
        return len(self._times)

    def every_key(self) -> set[_K]:
        """Return all keys that have a time."""
        return set(self._times)

    def time(self, key: _K) -> int | None:
        """Return the time of a key, if it has one."""
        return self._times.get(key)

    def set(self, key: _K, at: int | None) -> None:
        """Set or move the time of a key; ``None`` removes it."""
        if at is None:
            self._times.pop(key, None)
        elif self._times.get(key) != at:
            self._times[key] = at
            heapq.heappush(self._heap, (at, key))
            if len(self._heap) > 2 * len(self._times) + _SLACK:
                self._heap = [(time, heap_key) for heap_key, time in self._times.items()]
                heapq.heapify(self._heap)

    def earliest(self) -> int | None:
        """Return the earliest time of all."""
        while self._heap and not self._is_current(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: int) -> list[_K]:
        """Return the keys whose time has passed, earliest first; they keep their times."""
        entries: list[tuple[int, _K]] = []
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            if self._is_current(entry) and entry not in entries[-1:]:
                entries.append(entry)
        for entry in entries:
            heapq.heappush(self._heap, entry)
        return [key for _, key in entries]

    def _is_current(self, entry: tuple[int, _K]) -> bool:
        at, key = entry
        return self._times.get(key) == at
