"""Follow an execution that other processes run, until it has ended."""

from __future__ import annotations

from collections.abc import Iterator

from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.processes import processes_of, running_or_resume
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.emulator.emulator import Emulator


class Follower:
    """Follows one execution, and says when no process runs it: then nothing comes before one does.

    ``note`` is that line, for a display of progress that shows it itself; otherwise it is written to stderr
    once, with ``aloud``.
    """

    def __init__(self, emulator: Emulator, arn: str, place: Place, *, aloud: bool = True) -> None:
        self.note: str | None = None
        self._emulator = emulator
        self._arn = arn
        self._place = place
        self._aloud = aloud

    def changes(self) -> Iterator[None]:
        """Yield now, and each time that the execution may have changed, until it has ended or was deleted."""
        emulator = self._emulator
        with emulator.coordinator.sleeper() as woken:
            while True:
                woken.clear()
                emulator.coordinator.refresh()
                yield
                if emulator.is_closed(self._arn):
                    return
                self._look_for_processes()
                emulator.clock.wait(None, woken)

    def wait_for_end(self) -> None:
        """Wait until the execution has ended or was deleted."""
        for _ in self.changes():
            pass

    def _look_for_processes(self) -> None:
        if processes_of(self._emulator, self._arn, self._place):
            self.note = None
        elif self.note is None:
            self.note = running_or_resume(self._emulator, self._arn, self._place)
            if self._aloud:
                say(self.note, err=True)
