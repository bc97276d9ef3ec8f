"""The report sections and history files of a failed test."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from durable_execution_sdk.errors import DurableError
from durable_execution_sdk.protocol import control_plane_codec
from durable_execution_sdk.protocol.control_plane import HistoryPage
from durable_execution_sdk.testing.local.runner import LocalDurableTestRunner
from durable_execution_sdk.testing.results.result import DurableTestResult

__all__ = ["history_json", "report_sections"]

_MOST_SHOWN = 5


def report_sections(
    runners: Sequence[LocalDurableTestRunner[object]], test: str, directory: Path | None
) -> Iterator[tuple[str, str]]:
    """Yield report sections: a title, and an execution with the path of its history file."""
    results = [result for runner in runners for result in _results(runner)]
    for number, result in enumerate(results[-_MOST_SHOWN:], 1):
        out = io.StringIO()
        result.print(file=out)
        if directory is not None:
            path = directory / f"{_file_name(test)}-{number}.json"
            path.write_bytes(history_json(result))
            out.write(f"\nhistory: {path}\n")
        yield f"durable execution {result.name}", out.getvalue()


def _results(runner: LocalDurableTestRunner[object]) -> list[DurableTestResult[object]]:
    try:
        return runner.sync.results()
    except DurableError:
        return []  # the execution was deleted; pytest still shows the test's error


def history_json(result: DurableTestResult[object]) -> bytes:
    """Write a history in the format of ``GetDurableExecutionHistory``, indented."""
    page = msgspec.json.decode(
        control_plane_codec.encode_history_page(HistoryPage(events=result.history))
    )
    # The ARN is not part of the API's format, but `durable replay` may need it.
    return msgspec.json.format(
        msgspec.json.encode({"DurableExecutionArn": result.arn, **page}), indent=2
    )


def _file_name(test: str) -> str:
    return re.sub(r"[^\w.\[\]-]+", "-", test)[-150:]
