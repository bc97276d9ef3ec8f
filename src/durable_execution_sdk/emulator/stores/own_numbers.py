"""The numbers of the rows that a connection added to a table, to tell those that others have added."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["OwnNumbers"]


class OwnNumbers:
    """Numbers above ``last``, which is the last one that was looked at. They grow in the order of commits."""

    def __init__(self, last: int) -> None:
        self.last = last
        self._own: set[int] = set()

    def add(self, number: int) -> None:
        """Note a row that this connection has added."""
        self._own.add(number)
        # While no other connection adds rows, nothing is kept.
        while self.last + 1 in self._own:
            self.last += 1
            self._own.discard(self.last)

    def of_others(self, rows: Sequence[tuple[int, str]]) -> list[str]:
        """Return the second column of the rows after ``last`` that others have added, and go on after all."""
        others = [text for number, text in rows if number not in self._own]
        self.last = max([self.last, *(number for number, _ in rows)])
        self._own = {number for number in self._own if number > self.last}
        return others
