"""The rule of ``durable run`` for code that was edited under a running execution.

An execution that ran with other code is rehearsed before it is invoked: if it cannot go on, nothing is recorded.
With the code of its last invocation, a failure is the workflow's own, and is recorded as ever.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from durable_execution_sdk.dev.functions.declaration import handler_of
from durable_execution_sdk.dev.reload.findings import Finding
from durable_execution_sdk.dev.reload.open_executions import (
    Admission,
    changed_code,
    rehearse_open,
)
from durable_execution_sdk.dev.reload.rehearsal_process import Rehearsals, Target
from durable_execution_sdk.dev.reload.source_code import read_source_code
from durable_execution_sdk.emulator.emulator import Emulator

__all__ = ["EditedCode", "code_of"]


def code_of(file: str, attribute: str) -> str:
    """Return the digest of a handler's source code."""
    path = Path(file).resolve()
    root, _ = handler_of(path, attribute)
    return read_source_code(Path(root), path).digest


class EditedCode:
    """Rehearses the executions of one run; ``places`` are the files and attributes of its functions."""

    def __init__(self, emulator: Emulator, places: Mapping[str, tuple[str, str]]) -> None:
        self._emulator = emulator
        self._places = places
        # The reasons for which nothing was found out about executions, by ARN.
        self.unrehearsed: dict[str, str] = {}
        self._due: dict[str, None] = {}
        self._admission = Admission(self._ask)
        emulator.holds.ask(self._admission.admit)

    @property
    def is_due(self) -> bool:
        """True if an execution is due that has to be rehearsed first."""
        return bool(self._due)

    def accept(self, arns: Iterable[str]) -> None:
        """Let executions go on with the code of now."""
        for arn in arns:
            code = changed_code(self._emulator, arn)
            if code is not None:
                self._emulator.accept_code(arn, code)

    def rehearse(self, arns: Iterable[str] = ()) -> dict[str, Finding]:
        """Rehearse executions, and those that are due; return the findings of those that cannot go on."""
        due, self._due = self._due, {}
        findings: dict[str, Finding] = {}
        with Rehearsals() as rehearsals:
            all_rehearsed = rehearse_open(self._emulator, [*arns, *due], self._target, rehearsals)
        for rehearsed in all_rehearsed:
            broken = rehearsed.verdict.broken
            reason = rehearsed.verdict.unknown if broken is None else broken.actual
            if reason is not None:
                self.unrehearsed[rehearsed.arn] = reason
            # This process has imported the code, so whatever keeps the other one from it is no reason.
            if rehearsed.verdict.finding is None:
                self._admission.take(rehearsed)
            else:
                findings[rehearsed.arn] = rehearsed.verdict.finding
        for arn in due:
            if arn not in findings:
                self._emulator.holds.release(arn)
        return findings

    def _ask(self, arn: str) -> None:
        self._due[arn] = None
        self._emulator.coordinator.wake()

    def _target(self, function: str) -> Target | None:
        place = self._places.get(function)
        if place is None:
            return None
        file, attribute = place
        root, handler = handler_of(Path(file), attribute)
        return Target(
            python=sys.executable,
            root=root,
            handler=handler,
            # The other process finds what this one finds.
            environment={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            directory=str(Path.cwd()),
        )
