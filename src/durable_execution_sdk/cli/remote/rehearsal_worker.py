"""The process in which histories are replayed: ``python -P -m ...rehearsal_worker FILE [HANDLER]``.

Its first line is ``{}``, or the reason for which the code cannot be loaded. Then it reads a request from each
line, and writes a line before each run of the code, and one with the report. The code prints to stderr.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from typing import IO

import msgspec

from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.user_code import UserCode
from durable_execution_sdk.client.fork import Plan
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import AnyHandler
from durable_execution_sdk.replay.check import replay_history
from durable_execution_sdk.replay.fork_rehearsal import rehearse_fork
from durable_execution_sdk.replay.report import Divergence, ReplayReport

__all__ = ["Answer", "Request"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A history to replay, or a fork to try; ``arn`` is that of a history which lacks it."""

    history: str = ""
    arn: str | None = None
    plan: Plan | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the process: ``fault`` and ``detail`` are a reason, ``is_running`` tells that the code begins a run."""

    report: ReplayReport | None = None
    divergence: Divergence | None = None
    fault: str | None = None
    detail: str = ""
    is_running: bool = False


def main(file: str, wanted: str | None) -> None:
    """Load the code, and replay histories until the input ends."""
    # The code must neither read the requests nor print among the answers.
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=[requests, lines], daemon=True).start()
    user_code = UserCode()
    try:
        handler = user_code.handlers(file)[user_code.choose(file, wanted)]
    except Refusal as refusal:
        _write(answers, Answer(fault=refusal.message, detail=refusal.detail))
        return
    _write(answers, Answer())
    while True:
        request = msgspec.json.decode(lines.get(), type=Request)
        _write(answers, _replayed(handler, request, answers))


def _read(requests: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    """Pass on the requests; end the process with the one that sends them, even if the code hangs."""
    for line in requests:
        lines.put(line)
    if os.getpgrp() == os.getpid():
        # What the code has started goes too.
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _replayed(handler: AnyHandler, request: Request, answers: IO[bytes]) -> Answer:
    try:
        if request.plan is not None:
            return Answer(divergence=rehearse_fork(handler, request.plan))
        report = replay_history(
            handler,
            request.history,
            execution_arn=request.arn,
            on_run=lambda: _write(answers, Answer(is_running=True)),
        )
    except ConfigError as error:
        return Answer(fault=str(error))
    finally:
        sys.stdout.flush()
    return Answer(report=report)


def _write(out: IO[bytes], answer: Answer) -> None:
    out.write(msgspec.json.encode(answer) + b"\n")
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
