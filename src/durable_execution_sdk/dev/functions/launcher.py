"""Script that runs a worker's command in a process group, and ends the group with the server.

``python -I -S launcher.py STATUS_FD MEMORY_KB PROGRAM ARGUMENT...``. Standard input is a pipe that the
server holds open: when it closes, because the server ends the worker or has died in any way, the whole
group is killed. Lines of text on the status descriptor tell the server the process id, and the end:

    pid 123
    exit 1 40960        the status, and the most memory in kilobytes
    signal 9 40960
    memory 9 40960      killed for exceeding MEMORY_KB
    error ...           the program cannot be started

It imports nothing but builtins and parts of the standard library that are loaded anyway: each worker has one.
"""

from __future__ import annotations

import os
import select
import signal
import sys

_SAMPLE_SECONDS = 0.05


def main(arguments: list[str]) -> int:
    """Start the command, wait for its end or the server's, and report."""
    status, most_kilobytes, command = int(arguments[0]), int(arguments[1]), arguments[2:]
    os.set_inheritable(status, False)  # noqa: FBT003 - no keyword
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, _note_end)
    # Only the server ends a worker, by the pipe: Ctrl-C is its to answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        pid = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            setpgroup=0,
            setsigdef=[signal.SIGINT, signal.SIGHUP, signal.SIGPIPE],
        )
    except OSError as error:
        _write(status, f"error {error}")
        return 127
    _write(status, f"pid {pid}")
    kind = _watch(pid, woken, most_kilobytes)
    _, code, usage = os.wait4(pid, 0)
    _kill(pid)
    # macOS counts bytes.
    peak = usage.ru_maxrss // 1024 if sys.platform == "darwin" else usage.ru_maxrss
    if os.WIFSIGNALED(code):
        _write(status, f"{kind} {os.WTERMSIG(code)} {peak}")
    else:
        _write(status, f"exit {os.WEXITSTATUS(code)} {peak}")
    return 0


def _note_end(_number: int, _frame: object) -> None:
    """Let the wake-up descriptor be written, which an ignored signal does not do."""


def _watch(pid: int, woken: int, most_kilobytes: int) -> str:
    """Block until the process has ended; kill it when the server is gone or it uses too much memory."""
    seconds = _SAMPLE_SECONDS if most_kilobytes else None
    kind, watched = "signal", [0, woken]
    while True:
        readable, _, _ = select.select(watched, [], [], seconds)
        if woken in readable:
            os.read(woken, 64)
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return kind
        if 0 in readable and not os.read(0, 64):
            watched.remove(0)
            _kill(pid)
        if most_kilobytes and _resident(pid) > most_kilobytes:
            kind = "memory"
            _kill(pid)


def _resident(pid: int) -> int:
    """Return the resident memory of a process in kilobytes; 0 where the system does not tell."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123 - pathlib costs more than all of this
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    except (OSError, IndexError):
        return 0


def _kill(pid: int) -> None:
    try:  # noqa: SIM105 - contextlib would be one more module
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _write(status: int, line: str) -> None:
    try:  # noqa: SIM105
        os.write(status, line.replace("\n", " ").encode(errors="replace") + b"\n")
    except OSError:
        pass  # The server is gone.


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
