"""The faults that a test plans for its execution: crashes, throttling, slow and repeated calls."""

from __future__ import annotations

from typing import Self

from durable_execution_sdk.emulator.faults.plan import FaultPlan
from durable_execution_sdk.replay.arguments import Arguments

__all__ = ["Faults"]


class Faults(FaultPlan):
    """The faults of one runner: ``runner.faults``. Plan them before the execution runs.

    Faults affect the execution of the tested workflow, not executions that it invokes. Checkpoints are
    numbered from 1 over all invocations, and invocations are numbered from 1. Each fault happens once.
    A fault that did not happen fails the run with ``UnusedFaultError``, so that a test cannot pass
    without it.

    After a crash nothing more is recorded, the workflow's tasks are unwound (so clean-up code runs, which
    it would not in a killed process), the invocation counts as failed, and the next invocation starts
    from the log.
    """

    def __init__(self) -> None:
        super().__init__()
        self.arguments: Arguments | None = None

    def compare_arguments(self) -> Self:
        """Record the arguments of each step in each invocation."""
        self.arguments = Arguments()
        return self
