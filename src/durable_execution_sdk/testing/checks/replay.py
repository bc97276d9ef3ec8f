"""Save recorded histories, and replay them against the current code."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from durable_execution_sdk.handler import AnyHandler
from durable_execution_sdk.replay.check import replay_history
from durable_execution_sdk.replay.document import HistorySource
from durable_execution_sdk.replay.report import ReplayReport
from durable_execution_sdk.testing.pytest_support.failure_report import history_json
from durable_execution_sdk.testing.results.result import DurableTestResult
from durable_execution_sdk.testing.worker import in_thread, in_thread_async

__all__ = ["check_replay", "check_replay_sync", "save_history"]

_SECONDS = 30.0


async def check_replay(
    handler: AnyHandler,
    history: HistorySource | DurableTestResult[object],
    *,
    execution_arn: str | None = None,
    max_moments: int = 100,
    timeout: float = _SECONDS,
) -> ReplayReport:
    """Replay a recorded history against the current code. No step runs, and nothing is recorded.

    The code runs once for each state of the log that an invocation began with, and once with the whole
    log. It must ask for the operations in the log, and no others, and end as the history does. The report
    holds the first divergence, with both sides and the line of code. Functions of contexts that succeeded
    run too. Workflow code outside of operations runs, with its side effects.

    Args:
        handler: the current workflow.
        history: the result of a runner, events, one or more pages of ``GetDurableExecutionHistory``, or
            the path of a JSON file with these.
        execution_arn: the execution's ARN, if the history lacks it. Workflows that use
            ``ctx.uuid4()``, ``ctx.random()`` or ``ctx.execution_arn`` need it.
        max_moments: the largest number of states of the log to replay.
        timeout: time limit for the whole check, in real seconds.

    Raises:
        ConfigError: the history cannot be used: it is not complete, or lacks payloads.
        RunTimeoutError: the check took longer than ``timeout``.
    """
    source, arn = _source(history, execution_arn)
    return await in_thread_async(
        lambda _: replay_history(handler, source, execution_arn=arn, max_moments=max_moments),
        timeout,
    )


def check_replay_sync(
    handler: AnyHandler,
    history: HistorySource | DurableTestResult[object],
    *,
    execution_arn: str | None = None,
    max_moments: int = 100,
    timeout: float = _SECONDS,
) -> ReplayReport:
    """Do what ``check_replay`` does, in a test that is a plain function."""
    source, arn = _source(history, execution_arn)
    return in_thread(
        lambda _: replay_history(handler, source, execution_arn=arn, max_moments=max_moments),
        timeout,
    )


def save_history(result: DurableTestResult[object], path: str | PathLike[str]) -> None:
    """Write an execution's history to a JSON file, for ``check_replay`` and ``durable replay``.

    The format is that of ``GetDurableExecutionHistory``, plus the execution's ARN.
    """
    Path(path).write_bytes(history_json(result) + b"\n")


def _source(
    history: HistorySource | DurableTestResult[object], arn: str | None
) -> tuple[HistorySource, str | None]:
    if isinstance(history, DurableTestResult):
        return history.history, arn or history.arn
    return history, arn
