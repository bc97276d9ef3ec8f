"""A worker's process, started by the launcher: its output by lines, and the reason of its end.

Used in one event loop, without locks. Output is read when the loop has time for it, and by ``drain``: all
that a process wrote before it sent an answer belongs to that invocation.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from durable_execution_sdk.errors import ConfigError

_LAUNCHER = str(Path(__file__).with_name("launcher.py"))
_LONGEST_LINE = 64 * 1024

Sink = Callable[[str, str], None]
"""Takes a line of output: the stream, ``stdout`` or ``stderr``, and the text without its end."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a process: exit status or signal, and the most memory that it used."""

    status: int | None = None
    signal: int | None = None
    is_out_of_memory: bool = False
    peak_kilobytes: int = 0
    failure: str | None = None

    @property
    def reason(self) -> str:
        """The end as Lambda words it, after ``Runtime exited``."""
        if self.failure is not None:
            return f" with error: {self.failure}"
        if self.signal is not None:
            with suppress(ValueError):
                return f" with error: signal: {_signal_name(self.signal)}"
        return (
            f" with error: exit status {self.status}"
            if self.status
            else " without providing a reason"
        )


class WorkerProcess:
    """A running process. ``ended`` is resolved once it has ended and all its output is read."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: str,
        sink: Sink,
        memory_kilobytes: int = 0,
    ) -> None:
        if sys.platform == "win32":
            raise ConfigError(
                "functions as processes need Linux or macOS: Windows has no process groups"
            )
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[Ended] = self._loop.create_future()
        self.pid: int | None = None
        self._end = Ended(failure="the launcher was killed")
        status, status_end = os.pipe()
        try:
            self._launcher = subprocess.Popen(  # noqa: S603 - the function's own command
                [
                    sys.executable,
                    "-I",
                    "-S",
                    _LAUNCHER,
                    str(status_end),
                    str(memory_kilobytes),
                    *command,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=dict(environment),
                cwd=directory,
                pass_fds=[status_end],
                start_new_session=True,
            )
        except BaseException:
            os.close(status)
            raise
        finally:
            os.close(status_end)
        assert self._launcher.stdout is not None
        assert self._launcher.stderr is not None
        self._pipes = {
            status: "status",
            self._launcher.stdout.fileno(): "stdout",
            self._launcher.stderr.fileno(): "stderr",
        }
        self._rests = dict.fromkeys(self._pipes, b"")
        for pipe in self._pipes:
            os.set_blocking(pipe, False)
            self._loop.add_reader(pipe, self._read, pipe)
        self._status = status

    @property
    def peak_kilobytes(self) -> int | None:
        """The most memory that the process has used; ``None`` where the system does not tell."""
        if self.ended.done():
            return self.ended.result().peak_kilobytes
        with suppress(OSError, ValueError, IndexError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
        return None

    def kill(self) -> None:
        """End the process and all its descendants, at once."""
        assert self._launcher.stdin is not None
        self._launcher.stdin.close()

    def drain(self) -> None:
        """Read all that the process has written, and pass on an unfinished last line too."""
        for pipe, name in list(self._pipes.items()):
            if name != "status":
                self._read(pipe)
                rest, self._rests[pipe] = self._rests[pipe], b""
                self._pass_on(name, rest)

    def _read(self, pipe: int) -> None:
        # A process that writes without end must not keep the loop from anything else.
        for _ in range(64):
            try:
                data = os.read(pipe, _LONGEST_LINE)
            except BlockingIOError:
                return
            if not data:
                self._close(pipe)
                return
            self._take(pipe, data)

    def _take(self, pipe: int, data: bytes) -> None:
        *lines, rest = (self._rests[pipe] + data).split(b"\n")
        if len(rest) >= _LONGEST_LINE:
            lines.append(rest)
            rest = b""
        self._rests[pipe] = rest
        for line in lines:
            self._pass_on(self._pipes[pipe], line)

    def _pass_on(self, name: str, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        if not text:
            return
        if name == "status":
            self._note(text)
        else:
            self._sink(name, text)

    def _note(self, text: str) -> None:
        kind, _, rest = text.partition(" ")
        match kind, rest.split():
            case "pid", [pid]:
                self.pid = int(pid)
            case "exit", [status, peak]:
                self._end = Ended(status=int(status), peak_kilobytes=int(peak))
            case (("signal" | "memory"), [number, peak]):
                self._end = Ended(
                    signal=int(number), is_out_of_memory=kind == "memory", peak_kilobytes=int(peak)
                )
            case _:
                self._end = Ended(failure=rest)

    def _close(self, pipe: int) -> None:
        self._loop.remove_reader(pipe)
        if pipe == self._status:
            os.close(pipe)
            self._finish()

    def _finish(self) -> None:
        """The launcher has ended, and with it all that could write: read the rest, and reap it."""
        del self._pipes[self._status]
        if self.pid is not None and self._end.failure is not None:
            with suppress(ProcessLookupError, PermissionError):
                # A launcher that was killed has not killed its group.
                os.killpg(self.pid, signal.SIGKILL)
        self.drain()
        for pipe in self._pipes:
            self._loop.remove_reader(pipe)
        self._pipes.clear()
        for file in (self._launcher.stdin, self._launcher.stdout, self._launcher.stderr):
            assert file is not None
            file.close()
        self._launcher.wait()
        if not self.ended.done():
            self.ended.set_result(self._end)


def _signal_name(number: int) -> str:
    names = {
        signal.SIGKILL: "killed",
        signal.SIGSEGV: "segmentation fault",
        signal.SIGABRT: "aborted",
    }
    value = signal.Signals(number)
    return names.get(value, value.name.removeprefix("SIG").lower())
