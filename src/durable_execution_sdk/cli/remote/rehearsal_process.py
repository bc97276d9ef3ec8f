"""A process that replays histories: the command outlives code that ends its process, or never comes to rest."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from contextlib import suppress

import msgspec

from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.remote.rehearsal_worker import Answer, Request
from durable_execution_sdk.client.fork import Plan
from durable_execution_sdk.dev.discovery.import_process import end_group

__all__ = ["RehearsalProcess"]

SECONDS = 30.0
"""Longest time of one run of the code over a state of the log: it runs nothing, so it comes to rest at once."""

_LOADING_SECONDS = 120.0
_READER_SECONDS = 1.0
_WORKER = "durable_execution_sdk.cli.remote.rehearsal_worker"


class RehearsalProcess:
    """A process with the code in a file. Used by one thread at a time; ``close`` is called by any."""

    def __init__(self, file: str, wanted: str | None) -> None:
        self._file = file
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.is_over = False
        self.hangs = False
        self._process = subprocess.Popen(  # noqa: S603 - this Python
            [sys.executable, "-P", "-m", _WORKER, file, *([] if wanted is None else [wanted])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="durable-replay", daemon=True)
        self._reader.start()

    def load(self) -> None:
        """Wait until the code is loaded; raise ``Refusal`` if that is not possible."""
        answer = self._next(_LOADING_SECONDS)
        if answer.fault is not None:
            self.close()
            raise Refusal(answer.fault, answer.detail)

    def replay(self, history: str, arn: str | None) -> Answer:
        """Replay the history in a file; the answer has a report, or the reason for which there is none."""
        return self._ask(Request(history=history, arn=arn))

    def rehearse(self, plan: Plan) -> Answer:
        """Try the first invocation of a fork; the answer has a divergence or a fault if the code cannot go on."""
        return self._ask(Request(plan=plan))

    def _ask(self, request: Request) -> Answer:
        assert self._process.stdin is not None
        # If the process has ended, the end of its answers tells so.
        with suppress(OSError, ValueError):
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")
            self._process.stdin.flush()
        while True:
            answer = self._next(SECONDS)
            if not answer.is_running:
                return answer

    def close(self) -> None:
        """End the process, and those that the code has started."""
        self.is_over = True
        end_group(self._process)
        # A process that the code has detached may hold the pipe open, and the reader with it.
        self._reader.join(_READER_SECONDS)

    def _next(self, seconds: float) -> Answer:
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            self.hangs = True
            self.close()
            return Answer(
                fault=f"the code in {self._file} did not come to rest in {seconds:.0f} seconds: it waits, or computes,"
                " outside of operations"
            )
        if line is None:
            was_closed = self.is_over
            # It has closed its answers, and may not have ended yet: its own exit code is to be told.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_READER_SECONDS)
            self.close()
            if was_closed:
                return Answer(fault="the replay was ended")
            code = self._process.returncode
            how = f"exit code {code}" if code >= 0 else f"signal {-code}"
            return Answer(
                fault=f"the process that replayed it with {self._file} ended ({how}): the code ends its process, or"
                " memory ran out"
            )
        return msgspec.json.decode(line, type=Answer)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as answers, suppress(OSError, ValueError):
            for line in answers:
                self._answers.put(line)
        self._answers.put(None)
