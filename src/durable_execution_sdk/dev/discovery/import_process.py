"""Run a script that imports user code, to its end: nothing of it is left.

The script is the leader of a process group, which is killed in the end: a process that the code has forked would hold
the pipes of the script open, so its output goes to files. The script's standard input is a pipe that closes when this
process ends in any way.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress

__all__ = ["end_imports", "run_import"]

_lock = threading.Lock()
_running: set[int] = set()


def run_import(command: Sequence[str], seconds: float) -> tuple[bytes, bytes]:
    """Return what a command wrote to stdout and stderr.

    Raises ``subprocess.TimeoutExpired`` if it takes longer, and ``OSError`` if it cannot be run.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(  # noqa: S603 - the user's own Python
            command, stdin=subprocess.PIPE, stdout=out, stderr=err, start_new_session=True
        )
        with _lock:
            _running.add(process.pid)
        try:
            process.wait(seconds)
        finally:
            with _lock:
                _running.discard(process.pid)
            end_group(process)
        out.seek(0)
        err.seek(0)
        return out.read(), err.read()


def end_imports() -> None:
    """Kill the scripts that run now: what they would find is not asked for any more."""
    with _lock:
        for pid in _running:
            _kill_group(pid)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a group, and the group; and reap it."""
    _kill_group(process.pid)
    process.wait()
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def _kill_group(pid: int) -> None:
    # macOS refuses it for a group of processes that have ended.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
