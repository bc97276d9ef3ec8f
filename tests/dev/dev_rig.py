"""A server with functions in real processes, for the tests of this folder."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import botocore.config
import botocore.session

from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime, handler_of
from durable_execution_sdk.dev.functions.environment import Place
from durable_execution_sdk.dev.functions.host import ProcessFunctions
from durable_execution_sdk.dev.functions.records import (
    CodeNote,
    InvocationRecord,
    LogLine,
    RunNote,
)
from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.protocol.control_plane import ExecutionDescription
from durable_execution_sdk.server.http_server import serve


class Records:
    """Keeps records, and lets a test wait for one."""

    def __init__(self) -> None:
        self.all: list[LogLine | InvocationRecord | CodeNote | RunNote] = []
        self._changed = threading.Condition()

    def add_lines(self, lines: list[LogLine]) -> None:
        self._add(lines)

    def add_invocation(self, record: InvocationRecord) -> None:
        self._add([record])

    def add_notes(self, notes: list[CodeNote]) -> None:
        self._add(notes)

    def add_run_notes(self, notes: list[RunNote]) -> None:
        self._add(notes)

    def wait_for(self, matches: Callable[[Any], bool], seconds: float = 20) -> Any:
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(matches, self.all)), seconds), self.all
            return next(record for record in self.all if matches(record))

    def wait_for_line(self, text: str) -> LogLine:
        line: LogLine = self.wait_for(
            lambda record: isinstance(record, LogLine) and text in record.text
        )
        return line

    @property
    def invocations(self) -> list[InvocationRecord]:
        return [record for record in self.all if isinstance(record, InvocationRecord)]

    @property
    def text(self) -> list[str]:
        return [record.text for record in self.all if isinstance(record, LogLine)]

    def _add(self, records: Any) -> None:
        with self._changed:
            self.all.extend(records)
            self._changed.notify_all()


class DevRig:
    """An emulator, its HTTP server, and functions in processes whose code is written by the test."""

    def __init__(self, folder: Path, *, workers: int = 4, has_deadlines: bool = True) -> None:
        self.folder = folder
        self.records = Records()
        self.functions = Functions()
        self.emulator = Emulator(MemoryStore(), RealClock(), self.functions)
        self.driver = Driver(self.emulator)
        self.calls_of_functions: list[bool] = []
        self.server = serve(self.driver, workers=workers, is_functions=self._is_functions)
        self.host = ProcessFunctions(
            self.functions,
            Place(endpoint_url=self.server.url),
            self.records,
            has_deadlines=has_deadlines,
        )

    def _is_functions(self, header: str | None) -> bool:
        self.calls_of_functions.append(self.host.is_running(header))
        return self.calls_of_functions[-1]

    def write(self, name: str, code: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
        return file

    def add(
        self, name: str, code: str, *, attribute: str = "handler", **options: Any
    ) -> Declaration:
        suffix = ".mjs" if options.get("runtime") is Runtime.NODE else ".py"
        root, handler = handler_of(self.write(name + suffix, code), attribute)
        declaration = Declaration(
            **{"name": name, "runtime": Runtime.PYTHON, "root": root, "handler": handler, **options}
        )
        self.host.add(declaration)
        return declaration

    def add_plain(self, name: str, code: str, **options: Any) -> Declaration:
        return self.add(name, code, durable=False, **options)

    @cached_property
    def client(self) -> Any:
        return botocore.session.Session().create_client(
            "lambda",
            region_name="us-east-1",
            endpoint_url=self.server.url,
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=60),
        )

    def invoke(self, name: str, event: Any = None) -> tuple[Any, str | None]:
        """Invoke a function, and return the decoded payload, and the kind of error if it failed."""
        response = self.client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        payload = json.loads(response["Payload"].read() or b"null")
        return payload, response.get("FunctionError")

    def start(self, name: str, event: Any = None) -> str:
        response = self.client.invoke(
            FunctionName=f"{name}:$LATEST",
            InvocationType="Event",
            Payload=json.dumps(event).encode(),
        )
        arn: str = response["DurableExecutionArn"]
        return arn

    def finish(self, arn: str, seconds: float = 30) -> ExecutionDescription:
        """Wait for the end of an execution."""
        ended = threading.Event()

        def look(seen: str, _events: object) -> None:
            if seen == arn and self.emulator.is_closed(arn):
                ended.set()

        unsubscribe = self.emulator.subscribe(look)
        try:
            look(arn, ())
            assert ended.wait(seconds), self.records.all
        finally:
            unsubscribe()
        return self.emulator.describe(arn)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if "client" in vars(self):
            self.client.close()
        self.host.close()
        self.server.close()
        self.emulator.close()
