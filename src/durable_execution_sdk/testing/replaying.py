"""Recorded histories in tests: keep them, and hold the code as it is now against them."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from durable_execution_sdk.handler import DurableHandler
from durable_execution_sdk.replay.check import replay_history
from durable_execution_sdk.replay.document import HistorySource
from durable_execution_sdk.replay.report import ReplayReport
from durable_execution_sdk.testing.failures import history_json
from durable_execution_sdk.testing.result import DurableTestResult
from durable_execution_sdk.testing.worker import in_thread, in_thread_async

__all__ = ["check_replay", "check_replay_sync", "save_history"]

_SECONDS = 30.0


async def check_replay(
    handler: DurableHandler[Any, Any],
    history: HistorySource | DurableTestResult[Any],
    *,
    execution_arn: str | None = None,
    max_moments: int = 100,
    timeout: float = _SECONDS,
) -> ReplayReport:
    """Run the code as it is now over a recorded history; no step runs, and nothing is recorded.

    The code is run over the log as it was at the beginning of each invocation and as it is at its
    end. It must ask for the operations that the log holds, no others, and come to the same end; the
    report names the first place where it does not, with both sides and the line. Functions of contexts
    that have succeeded run too. What workflow code does outside its operations does happen.

    Args:
        handler: the workflow, as it is now.
        history: what a runner returned; events; a page or the pages of
            ``GetDurableExecutionHistory``; or a JSON file of those.
        execution_arn: the execution's ARN, which a history of the API does not tell. It matters to
            workflows that use ``ctx.uuid4()``, ``ctx.random()`` or ``ctx.execution_arn``.
        max_moments: over how many states of the log to run the code, at most.
        timeout: how many real seconds all of it may take.

    Raises:
        ConfigError: the history cannot be used: it is not whole, or lacks its payloads.
        RunTimeoutError: the timeout is over.
    """
    source, arn = _source(history, execution_arn)
    return await in_thread_async(
        lambda _: replay_history(handler, source, execution_arn=arn, max_moments=max_moments),
        timeout,
    )


def check_replay_sync(
    handler: DurableHandler[Any, Any],
    history: HistorySource | DurableTestResult[Any],
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


def save_history(result: DurableTestResult[Any], path: str | PathLike[str]) -> None:
    """Keep an execution's history in a JSON file, for ``check_replay`` and ``durable replay``.

    It is what ``GetDurableExecutionHistory`` answers, with the execution's ARN.
    """
    Path(path).write_bytes(history_json(result) + b"\n")


def _source(
    history: HistorySource | DurableTestResult[Any], arn: str | None
) -> tuple[HistorySource, str | None]:
    if isinstance(history, DurableTestResult):
        return history.history, arn or history.arn
    return history, arn
