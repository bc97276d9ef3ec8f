"""Runs with real processes: each invocation is a process, and a crash is a SIGKILL.

The parent has the service and the record of effects; the child runs one invocation, and sends its requests
as lines of JSON. ``python -m tests.generated.processes PROGRAM MODE`` is the child.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import msgspec
from tests.generated import program_api
from tests.generated.clock import VirtualClock
from tests.generated.oracle import INPUT, Execution, Playing
from tests.generated.program_api import Trace
from tests.generated.programs import Program
from tests.generated.rendering import render
from tests.generated.runner import compiled
from tests.generated.schedules import Schedule
from tests.generated.service import Service

from durable_execution_sdk import CheckpointingMode, durable_execution
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)

ROOT = Path(__file__).parents[2]


class Processes(Playing):
    """Runs a program, each invocation in a process of its own."""

    def __init__(self, program: Program, file: Path) -> None:
        super().__init__(program, compiled(program))
        file.write_text(render(program))
        self._file = file

    def play(self, schedule: Schedule) -> Execution:
        """Run to the end; the process is killed where the schedule says."""
        clock = VirtualClock()
        service = Service(clock, INPUT, schedule.page)
        trace = Trace(service=service, slow=False)
        execution = Execution(schedule, trace, service)
        while execution.status == "RUNNING" and execution.invocations < 40:
            execution.invocations += 1
            trace.begin()
            outcome = self._invoke(execution)
            service.end()
            execution.cut.append(outcome is None)
            if outcome is None:
                clock.jump(1.0)
            else:
                self._conclude(execution, outcome)
        return execution

    def _invoke(self, execution: Execution) -> dict[str, Any] | None:
        mode = execution.schedule.mode.name
        command = [sys.executable, "-m", "tests.generated.processes", str(self._file), mode]
        with subprocess.Popen(
            command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            event = execution.service.begin()
            _write(child.stdin, {"event": event, "now": execution.service.now()})
            for line in child.stdout:
                message = json.loads(line)
                if "outcome" in message:
                    return dict(message["outcome"])
                answer = self._answer(execution, message)
                if answer is None:
                    child.kill()
                    break
                if answer:
                    _write(child.stdin, answer)
        return None

    def _answer(self, execution: Execution, message: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer to the child's request; ``None`` if the child is to be killed."""
        trace, service = execution.trace, execution.service
        match message:
            case {"checkpoint": body}:
                execution.calls += 1
                crash, number = execution.schedule.crash, execution.calls
                if crash == (number, "before"):
                    trace.crashes += 1
                    return None
                answer = service.checkpoint(body.encode()).decode()
                if crash == (number, "after"):
                    trace.crashes += 1
                    return None
                return {"answer": answer}
            case {"state": [token, marker]}:
                return {"answer": service.state(token, marker).decode()}
            case {"body": [key, operation_id, attempt, once]}:
                trace.admit(key, operation_id, attempt, once=once)
            case {"observed": [key, shown]}:
                trace.observe(key, shown)
            case {"callback": [callback_id, result, error]}:
                service.answer(callback_id, result, error, 0.2)
        return {}


def _write(stream: IO[str], message: dict[str, Any]) -> None:
    stream.write(json.dumps(message) + "\n")
    stream.flush()


# The child.


class Parent:
    """The connection of a child to its parent, which has the data plane and the record of effects."""

    operations: dict[str, Any] = {}

    def __init__(self, now: int) -> None:
        self._now = now - time.monotonic() * 1000
        self._lock = threading.Lock()

    def tell(self, message: dict[str, Any]) -> None:
        with self._lock:
            _write(sys.stdout, message)

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        self.tell({"checkpoint": codec.encode_checkpoint(request).decode()})
        return codec.decode_checkpoint_response(self._read())

    async def get_state(self, request: StateRequest) -> StatePage:
        self.tell({"state": [request.checkpoint_token, request.marker]})
        return codec.decode_state_page(self._read())

    def now(self) -> int:
        return round(self._now + time.monotonic() * 1000)

    def answer(self, callback_id: str, result: str | None, error: Any, _seconds: float) -> None:
        self.tell({"callback": [callback_id, result, error]})

    def _read(self) -> bytes:
        answer: str = json.loads(sys.stdin.readline())["answer"]
        return answer.encode()


class SentTrace(Trace):
    """A trace that sends its events to the parent."""

    parent: Parent

    def admit(self, key: str, operation_id: str, attempt: int, *, once: bool) -> None:
        self.parent.tell({"body": [key, operation_id, attempt, once]})

    def observe(self, key: str, shown: Any) -> None:
        self.parent.tell({"observed": [key, shown]})


def main(file: str, mode: str) -> None:
    """Run one invocation."""
    given = json.loads(sys.stdin.readline())
    trace = SentTrace(slow=False)
    trace.parent = Parent(given["now"])
    trace.service = trace.parent  # type: ignore[assignment]
    program_api.play_in(trace)
    trace.begin()
    workflow = compiled(Program((), source=Path(file).read_text()))
    handler = durable_execution(client=trace.parent, checkpointing=CheckpointingMode[mode])(
        workflow
    )
    outcome = handler(given["event"], None)
    trace.parent.tell({"outcome": msgspec.json.decode(msgspec.json.encode(outcome))})


if __name__ == "__main__":
    main(*sys.argv[1:])
