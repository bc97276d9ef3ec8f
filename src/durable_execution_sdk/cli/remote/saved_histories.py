"""Histories of a function's executions, fetched from an endpoint and saved as files that ``durable replay`` reads."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.client.fork import history_of
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.protocol import control_plane_codec
from durable_execution_sdk.protocol.control_plane import ExecutionSummary, HistoryPage
from durable_execution_sdk.protocol.error_codes import NOT_FOUND
from durable_execution_sdk.protocol.history import HistoryEvent

__all__ = ["SavedHistory", "save_histories"]

_AT_ONCE = 8
_ID_CHARACTERS = 8


class SavedHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The history of an execution in a file; without one, ``fault`` is the reason."""

    execution: ExecutionSummary
    path: Path
    events: list[HistoryEvent] = []
    fault: str | None = None


async def save_histories(
    reading: PacedReading,
    executions: Sequence[ExecutionSummary],
    folder: Path,
    *,
    keeps_events: bool = False,
) -> list[SavedHistory]:
    """Save the whole history of each execution, with its data, to a file of its own.

    An execution that has been deleted meanwhile, or whose history has no end or cannot be read, is one without a file. Raises
    ``ServiceError`` if the service refuses a call, and ``Refusal`` if a file cannot be written.
    """
    free = asyncio.Semaphore(_AT_ONCE)

    async def save(execution: ExecutionSummary) -> SavedHistory:
        arn = execution.durable_execution_arn
        path = folder / _file_name(execution)
        async with free:
            try:
                events = await history_of(reading, arn)
            except ConfigError as error:
                return SavedHistory(execution=execution, path=path, fault=str(error))
            except ServiceError as error:
                fault = _fault(arn, error)
                if fault is None:
                    raise
                return SavedHistory(execution=execution, path=path, fault=fault)
            # Not in another thread: files are written one at a time, each as soon as it is there.
            _write(path, arn, events)
            return SavedHistory(
                execution=execution, path=path, events=events if keeps_events else []
            )

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(save(execution)) for execution in executions]
    except ExceptionGroup as failed:
        # The first one has ended the others. It keeps its cause, which tells that an endpoint does not answer.
        error = failed.exceptions[0]
        raise error from error.__cause__
    return [task.result() for task in tasks]


def _fault(arn: str, error: ServiceError) -> str | None:
    """Return the reason for which this history alone cannot be had; ``None`` if others cannot either."""
    if error.code == NOT_FOUND:
        return f"{arn} is not there any more: its retention is over, or it was deleted"
    if isinstance(error.__cause__, msgspec.ValidationError):
        return f"{arn}: {error.message}"
    return None


def _file_name(execution: ExecutionSummary) -> str:
    """Return a name of the execution's name and the beginning of its id, which tells executions of one name apart."""
    run_id = execution.durable_execution_arn.rpartition("/")[2]
    name = f"{execution.durable_execution_name}-{run_id[:_ID_CHARACTERS]}"
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', name)}.json"


def _write(path: Path, arn: str, events: list[HistoryEvent]) -> None:
    page = control_plane_codec.encode_history_page(HistoryPage(events=events))
    document = {"DurableExecutionArn": arn, **msgspec.json.decode(page)}
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2))
    except OSError as error:
        raise Refusal(f"cannot write the history {path}: {error.strerror or error}") from error
