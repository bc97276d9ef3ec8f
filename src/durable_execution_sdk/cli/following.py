"""Follow an execution that other processes run, until it has ended."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.outcome import exit_code
from durable_execution_sdk.cli.output.processes import processes_of, running_or_resume
from durable_execution_sdk.cli.refusals import ExitCode, Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.rendering.family import family


class _Interrupted(Refusal):
    """Ctrl-C ended the following of an execution."""

    exit_code = ExitCode.INTERRUPTED


@contextmanager
def interruptible() -> Generator[None]:
    """Let Ctrl-C end the following of an execution with an exit code of its own."""
    try:
        yield
    except KeyboardInterrupt:
        raise _Interrupted("interrupted; the execution is not affected") from None


def end_of_following(emulator: Emulator, arn: str, place: Place) -> ExitCode:
    """Return the exit code of a command that has followed an execution; say by which one it is held.

    Raises ``Refusal`` if it was deleted.
    """
    if emulator.store.find(arn) is None:
        name = ExecutionArn.parse(arn).execution_name
        raise Refusal(f"{name} was deleted by another process")
    held = place.held
    for each in family(emulator, arn, held).arns() if held else ():
        if each in held:
            name = ExecutionArn.parse(each).execution_name
            command = place.command("show", name)
            say(f"{name} is held, since edited code does not fit its log: {command}", err=True)
    return exit_code(emulator, arn)


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
        """Yield now, and each time that the execution may have changed, until it has ended or was deleted.

        Ends as well when a server holds it, since it then waits for its user.
        """
        emulator = self._emulator
        with emulator.coordinator.sleeper() as woken:
            while True:
                woken.clear()
                emulator.coordinator.refresh()
                yield
                if emulator.is_closed(self._arn) or self._is_blocked():
                    return
                self._look_for_processes()
                emulator.clock.wait(None, woken)

    def wait_for_end(self) -> None:
        """Wait until the execution has ended, was deleted or is held."""
        for _ in self.changes():
            pass

    def _is_blocked(self) -> bool:
        held = self._place.held
        return bool(held) and family(self._emulator, self._arn, held).is_blocked

    def _look_for_processes(self) -> None:
        if processes_of(self._emulator, self._arn, self._place):
            self.note = None
        elif self.note is None:
            self.note = running_or_resume(self._emulator, self._arn, self._place)
            if self._aloud:
                say(self.note, err=True)
