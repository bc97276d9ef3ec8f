"""The JSON documents of processes: functions with their workers, lines of logs, code positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from durable_execution_sdk.dev.feed.process_view import ProcessView
from durable_execution_sdk.dev.functions.records import CodeNote, LogLine
from durable_execution_sdk.dev.logs.run_table import RunFacts
from durable_execution_sdk.dev.reload.rehearsal_results import FunctionReload
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.rendering.times import iso

__all__ = ["function_documents", "line_document", "place_document", "source_files"]

_Document = dict[str, object]


def function_documents(emulator: Emulator, local: ProcessView) -> list[_Document]:
    """Build the documents of the functions, by name."""
    workers: dict[str, list[_Document]] = {}
    for worker in local.workers():
        workers.setdefault(worker.function, []).append(
            {
                "process": worker.pid,
                "version": worker.version,
                "request_id": worker.request_id,
                "durable_execution_arn": worker.arn,
            }
        )
    documents: list[_Document] = []
    for name in emulator.functions.names:
        function = emulator.functions.get(name)
        if function is not None:
            documents.append(
                {
                    "function_name": name,
                    "function_arn": emulator.functions.arn(name),
                    "durable": function.durable,
                    "timeout": function.timeout,
                    "memory_size": function.memory_mb,
                    "execution_timeout": function.execution_timeout,
                    "retention_period_in_days": function.retention_days
                    if function.durable
                    else None,
                    "versions": emulator.functions.versions(name),
                    "aliases": emulator.functions.aliases(name),
                    "workers": workers.get(name, []),
                    "reload": _reload_document(local.reload_of(name)),
                }
            )
    return documents


def _reload_document(reload: FunctionReload | None) -> _Document | None:
    if reload is None:
        return None
    return {
        "loaded_at": iso(reload.loaded_at),
        "is_broken": reload.is_broken,
        **{str(outcome): count for outcome, count in reload.counts.items()},
        "rehearsed": [
            {"durable_execution_arn": each.arn, "outcome": each.outcome, "text": each.text}
            for each in reload.results
        ],
    }


def line_document(line: LogLine) -> _Document:
    """Build the document of a line that a function wrote."""
    return {
        "number": line.number,
        "at": iso(line.at),
        "stream": line.stream,
        "text": line.text,
        "request_id": line.request_id,
        "operation_id": line.operation_id,
        "function_name": line.function,
        "version": line.version,
    }


def place_document(note: CodeNote, facts: RunFacts) -> _Document:
    """Build the document of what processes told of an operation: its position in the code, and its runs."""
    line = facts.awaited_at
    return {
        "operation_id": note.operation_id,
        "file": note.file,
        "line": note.line,
        "function": note.function,
        "awaited_type": note.awaited_type,
        "awaited_at": None
        if line is None
        else {"file": line.file, "line": line.line, "function": line.function},
        "starts": [
            facts.starts.get(number) for number in range(1, max(facts.starts, default=0) + 1)
        ],
    }


def source_files(places: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the files that documents of places name."""
    lines = [line for place in places for line in (place, place["awaited_at"]) if line is not None]
    return {line["file"] for line in lines}
