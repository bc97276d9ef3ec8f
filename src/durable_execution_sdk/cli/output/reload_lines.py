"""The lines that a development server writes when functions are loaded, and executions held."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from durable_execution_sdk.cli.output.background_lines import BackgroundLines
from durable_execution_sdk.cli.output.held_executions import finding_lines, names_of, ways_on
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.discovery.found import Found
from durable_execution_sdk.dev.reload.findings import Finding
from durable_execution_sdk.emulator.emulator import Emulator

if TYPE_CHECKING:
    from durable_execution_sdk.dev.reload.loaded_code import Load


class ReloadLines:
    """Writes the news of a reloader. Thread-safe."""

    def __init__(self, place: Place, emulator: Emulator, lines: BackgroundLines) -> None:
        self._place = place
        self._emulator = emulator
        self._say = lines.say
        self._lock = threading.Lock()
        self._notices: set[str] | None = None

    def begin(self, found: Found) -> None:
        """Take the functions that were found first, about which the caller has written."""
        with self._lock:
            self._notices = set(found.notices)

    def loaded(self, load: Load, found: Found) -> None:
        """Write what has changed, and what has become of files that could not be imported."""
        with self._lock:
            if self._notices is None:
                return
            new = [notice for notice in found.notices if notice not in self._notices]
            self._notices = set(found.notices)
        for notice in new:
            self._say(notice, err=True)
        if new and found.broken:
            self._say("the functions in it keep their code until it is mended", err=True)
        for title, names in (
            ("loaded again", load.changed),
            ("found", load.added),
            ("not found any more; their executions wait", load.removed),
        ):
            if names:
                self._say(f"{title}: {', '.join(sorted(names))}")

    def held(self, findings: Mapping[str, Finding]) -> None:
        """Write about executions that do not fit the code, those with one finding together, and the ways to go on."""
        together: dict[Finding, list[str]] = {}
        for arn, finding in findings.items():
            together.setdefault(finding, []).append(arn)
        for finding, arns in together.items():
            for line in finding_lines(arns, finding):
                self._say(line)
            for line in ways_on(self._emulator, self._place, arns, finding):
                self._say(line)

    def released(self, arns: Sequence[str]) -> None:
        """Write that executions are not held any more."""
        self._say(f"{names_of(arns)} {'is' if len(arns) == 1 else 'are'} not held any more")

    def unrehearsed(self, arns: Sequence[str], reason: str) -> None:
        """Write that nothing was found out about executions, and why."""
        go = "goes" if len(arns) == 1 else "go"
        self._say(
            f"{names_of(arns)} {go} on with edited code that was not rehearsed: {reason}", err=True
        )

    def failed(self, error: str) -> None:
        """Write the reason for which nothing was loaded."""
        self._say(f"nothing was loaded: {error}", err=True)
