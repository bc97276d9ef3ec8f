"""A session of the development server over files that a test edits, and the news of its reloader."""

from __future__ import annotations

import json
import os
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from durable_execution_sdk.dev.discovery.found import Found
from durable_execution_sdk.dev.functions.records import LogLine
from durable_execution_sdk.dev.project import (
    Sources,
    project_directories,
    project_functions,
    project_table,
)
from durable_execution_sdk.dev.reload.findings import Finding
from durable_execution_sdk.dev.reload.loaded_code import Load
from durable_execution_sdk.dev.session import DevSession, SessionOptions
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    InvocationType,
    InvokeRequest,
)
from durable_execution_sdk.protocol.ids import ExecutionArn

PATIENCE = 60


class News:
    """Keeps the news of a reloader, and lets a test wait for some."""

    def __init__(self) -> None:
        self.loads: list[Load] = []
        self.notices: list[str] = []
        self.errors: list[str] = []
        self.findings: dict[str, Finding] = {}
        self.told: list[str] = []
        self.lines: list[str] = []
        self.changed = threading.Condition()

    def loaded(self, load: Load, found: Found) -> None:
        self._take(lambda: (self.loads.append(load), setattr(self, "notices", found.notices)))

    def held(self, findings: Mapping[str, Finding]) -> None:
        named = {ExecutionArn.parse(arn).execution_name: each for arn, each in findings.items()}
        told = [f"held {name}" for name in named]
        self._take(lambda: (self.findings.update(named), self.told.extend(told)))

    def released(self, arns: Sequence[str]) -> None:
        names = [ExecutionArn.parse(arn).execution_name for arn in arns]
        told = [f"released {name}" for name in names]
        self._take(lambda: ([self.findings.pop(name) for name in names], self.told.extend(told)))

    def unrehearsed(self, arns: Sequence[str], reason: str) -> None:
        names = sorted(ExecutionArn.parse(arn).execution_name for arn in arns)
        self._take(lambda: self.errors.append(f"{', '.join(names)}: {reason}"))

    def failed(self, error: str) -> None:
        self._take(lambda: self.errors.append(error))

    def line(self, line: LogLine) -> None:
        self._take(lambda: self.lines.append(line.text))

    def _take(self, change: Callable[[], object]) -> None:
        with self.changed:
            change()
            self.changed.notify_all()

    def until(self, wanted: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(wanted, PATIENCE), vars(self)


class ReloadRig:
    """One run of the server; `edit` writes a file that it watches."""

    def __init__(
        self,
        folder: Path,
        *paths: str,
        watches: bool = True,
        time_mode: TimeMode = TimeMode.REAL,
        named: tuple[str, ...] = (),
        store: str = "store/x.db",
    ) -> None:
        self.folder = folder
        self.news = News()
        self.session = DevSession(
            SessionOptions(store=folder / store, port=0, time_mode=time_mode),
            self.news.line,
        )
        self.emulator = self.session.server.emulator
        sources = Sources(paths=[folder / path for path in paths], named=named)
        table = project_table(folder)
        self.found = self.session.load(
            lambda: project_functions(sources, table, folder),
            self.news,
            (lambda: project_directories(sources, table, folder)) if watches else None,
        )

    def start(self, name: str, function: str = "order", payload: Any = None) -> str:
        return self.emulator.start(
            InvokeRequest(
                function_name=f"{function}:$LATEST",
                payload=json.dumps(payload).encode(),
                invocation_type=InvocationType.EVENT,
                durable_execution_name=name,
            )
        )

    def until(self, arn: str, wanted: Callable[[], bool]) -> None:
        """Wait until something is true after an event of an execution."""
        woken = threading.Event()

        def look(seen: str, _events: object) -> None:
            if seen == arn:
                woken.set()

        unsubscribe = self.emulator.subscribe(look)
        try:
            while not wanted():
                assert woken.wait(PATIENCE), (self.emulator.operations(arn), vars(self.news))
                woken.clear()
        finally:
            unsubscribe()

    def asks(self, arn: str) -> None:
        """Wait until an execution waits for its callback, and no invocation runs."""
        self.until(
            arn,
            lambda: (
                self.callback_id(arn) is not None and self.emulator.snapshot(arn).invocation is None
            ),
        )

    def callback_id(self, arn: str) -> str | None:
        for operation in self.emulator.operations(arn):
            details = operation.callback_details
            if details is not None and operation.status == "STARTED":
                return details.callback_id
        return None

    def answer(self, arn: str, result: str = '"yes"') -> None:
        callback_id = self.callback_id(arn)
        assert callback_id is not None
        self.emulator.callback_success(callback_id, result.encode())

    def finish(self, arn: str) -> ExecutionDescription:
        self.until(arn, lambda: self.emulator.is_closed(arn))
        return self.emulator.describe(arn)

    def result(self, arn: str) -> Any:
        described = self.finish(arn)
        assert described.status == "SUCCEEDED", described
        return json.loads(described.result or "null")

    def invocations(self, arn: str) -> int:
        return self.emulator.tally(arn).invocations

    def edit(self, source: str, name: str = "app.py") -> None:
        """Write a file, and wait until its code is loaded."""
        loads = len(self.news.loads)
        write(self.folder / name, source)
        self.news.until(lambda: any(self.news.loads[loads:]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.session.close()


def write(file: Path, source: str) -> None:
    """Write a module of workflows at once, as editors do."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text("from durable_execution_sdk import *\n" + textwrap.dedent(source))
    os.replace(fresh, file)
