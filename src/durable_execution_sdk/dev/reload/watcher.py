"""Watch the source files of a server's functions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import watchfiles

from durable_execution_sdk.dev.reload.source_files import source_files

__all__ = ["Watcher"]

_SETTLED_MILLISECONDS = 50
_LONGEST_MILLISECONDS = 400
_LOOK_MILLISECONDS = 1_500
_COARSE_NANOSECONDS = 1_000_000_000


class Watcher:
    """Calls a function with the files that were edited, in a thread of its own.

    Args:
        directories: returns the directories to watch, without those below them; asked again after each edit.
        on_edit: called with the paths of files that were edited, made or removed.
        since: the time, in nanoseconds since the epoch, from which edits count.
    """

    def __init__(
        self,
        directories: Callable[[], set[Path]],
        on_edit: Callable[[set[str]], None],
        since: int,
    ) -> None:
        self._directories = directories
        self._on_edit = on_edit
        self._stop = threading.Event()
        self._turn = threading.Event()
        self._watched = directories()
        # A file that was written since then counts as edited; file systems have coarse clocks.
        self._signature = {
            path: (time, size)
            for path, (time, size) in source_files(self._watched).items()
            if time < since - _COARSE_NANOSECONDS
        }
        self._thread = threading.Thread(target=self._run, name="durable-watch", daemon=True)
        self._thread.start()

    def refresh(self) -> None:
        """Watch other directories, if there are any by now."""
        if self._directories() != self._watched:
            self._turn.set()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._turn.set()
        self._thread.join()

    def _run(self) -> None:
        is_polling = False
        while not self._stop.is_set():
            try:
                self._watch(self._watched, is_polling=is_polling)
            except OSError:
                # A directory has gone in this moment, or the system watches no more of them.
                is_polling = True
                self._stop.wait(_LOOK_MILLISECONDS / 1000)
            # Cleared first: what is asked for from now on ends the next watch.
            self._turn.clear()
            self._watched = self._directories()

    def _watch(self, watched: set[Path], *, is_polling: bool) -> None:
        """Look at the files after each change, until other directories are to be watched.

        The first look comes when the watch has begun, so nothing is missed between two watches.
        """
        is_first = True
        for changes in watchfiles.watch(
            *watched,
            watch_filter=None,
            force_polling=is_polling,
            debounce=_LONGEST_MILLISECONDS,
            step=_SETTLED_MILLISECONDS,
            rust_timeout=_LOOK_MILLISECONDS,
            yield_on_timeout=True,
            stop_event=self._turn,
            raise_interrupt=False,
            recursive=False,
        ):
            if changes or is_first:
                is_first = False
                self._look(watched)
                if self._directories() != watched:
                    return

    def _look(self, watched: set[Path]) -> None:
        before, self._signature = self._signature, source_files(watched)
        edited = {
            path
            for path in before.keys() | self._signature.keys()
            if before.get(path) != self._signature.get(path)
        }
        if edited:
            self._on_edit(edited)
