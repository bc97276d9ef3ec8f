"""Golden histories: the operations of an execution in a readable file under version control."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import cast

import msgspec

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.continuation import comparable
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import OperationSubType, OperationType, label_of
from durable_execution_sdk.runtime.log import LATE_NEWS_NAME
from durable_execution_sdk.runtime.log.ids import LIMITS, TIMER_NAMES
from durable_execution_sdk.testing.errors import DurableTestError
from durable_execution_sdk.testing.results.operations import RecordedOperation
from durable_execution_sdk.testing.results.result import DurableTestResult

__all__ = ["UPDATE_VARIABLE", "GoldenHistoryError", "assert_history", "history_text"]

UPDATE_VARIABLE = "DURABLE_UPDATE_HISTORIES"
"""The variable that makes ``assert_history`` write files if it is 1; ``--update-histories`` sets it."""

_DIRECTORY = "histories"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LONGEST_PAYLOAD = 1_000
_BATCHES = frozenset({OperationSubType.MAP, OperationSubType.PARALLEL})
_BRANCHES = frozenset({OperationSubType.MAP_ITERATION, OperationSubType.PARALLEL_BRANCH})
_HOW_TO_UPDATE = f"pytest --update-histories, or {UPDATE_VARIABLE}=1 with another test runner"


class GoldenHistoryError(DurableTestError, AssertionError):
    """An execution differs from its golden history, or there is none yet.

    Cure: if the difference is meant, run the tests with ``--update-histories`` and commit the file.
    """


def assert_history(
    result: DurableTestResult[object],
    name: str,
    *,
    replace: Mapping[str, str] | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> None:
    """Fail the test if the execution differs from the golden history of this name.

    The file ``histories/NAME.txt`` beside the test has a line for each operation with its type, name,
    status and result, indented by contexts: the facts that replay depends on and reviews should see. It
    has no ids and no times, and of attempts only their number. Operations that had not ended when the
    execution did are UNFINISHED. ``pytest --update-histories`` writes the file; put it under version
    control.

    Args:
        result: the result that a runner returned.
        name: 1 to 100 letters, digits, ``.``, ``_`` and ``-``.
        replace: replacements for text that differs from run to run, by regular expression:
            ``{r"pay-[0-9a-f]+": "pay-..."}``.
        directory: the directory of the file, in place of ``histories`` beside the test.

    Raises:
        GoldenHistoryError: an ``AssertionError`` with the difference, and the way to accept it.
        ConfigError: the name is not valid for a file, or the file cannot be read.
    """
    __tracebackhide__ = True
    if not isinstance(cast("object", result), DurableTestResult):
        raise ConfigError(
            "assert_history looks at what a runner returned, a DurableTestResult, not at"
            f" {result!r}"
        )
    if not isinstance(cast("object", name), str) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot name a golden history: 1 to 100 letters, digits, '.', '_' and '-'"
        )
    if directory is None:
        directory = Path(sys._getframe(1).f_code.co_filename).parent / _DIRECTORY  # noqa: SLF001 - beside the test
    path = Path(directory) / f"{name}.txt"
    text = history_text(result, replace=replace)
    if os.environ.get(UPDATE_VARIABLE, "") not in ("", "0"):
        _write(path, text)
        return
    golden = _read(path, text)
    if golden != text:
        difference = difflib.unified_diff(
            golden.splitlines(),
            text.splitlines(),
            f"{path} (golden)",
            "this execution",
            lineterm="",
        )
        raise GoldenHistoryError(
            "\n".join(["the execution does not do what its golden history holds:", *difference])
            + f"\nIf it is right now, accept it with {_HOW_TO_UPDATE}; executions that run need the old code"
        )


def _read(path: Path, text: str) -> str:
    __tracebackhide__ = True
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise GoldenHistoryError(
            f"there is no golden history {path}. Make it with {_HOW_TO_UPDATE}, and look at it before you"
            f" commit it. It would be:\n{text}"
        ) from None
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"the golden history {path} cannot be read: {error}") from error


def history_text(
    result: DurableTestResult[object], *, replace: Mapping[str, str] | None = None
) -> str:
    """Write the text of an execution's golden history."""
    error = result.error_object
    # Timing decides which of several statuses are recorded, and not which one is the last.
    status = result.family.execution.custom_status
    outcome = _error(error) if error else _payload(comparable(result.arn, result.described.result))
    lines = [
        _line("execution", result.status, outcome),
        _line("  input", _payload(result.described.input_payload)),
        *([] if status is None else [_line("  status", _payload(status.payload))]),
        *_lines(result, None, ""),
    ]
    text = "".join(f"{line}\n" for line in lines)
    for pattern, stand_in in (replace or {}).items():
        text = re.sub(pattern, stand_in, text)
    return text


def _lines(
    result: DurableTestResult[object], parent: RecordedOperation | None, indent: str
) -> Iterator[str]:
    for operation in result.children(parent):
        if _is_timer(operation) and not operation.succeeded:
            continue  # timing decides if an unfinished timer is in the log
        if operation.name == LATE_NEWS_NAME:
            continue  # the order of the service's responses decides if this is in the log
        label = label_of(operation.type, operation.sub_type, operation.name)
        if result.is_done and not operation.is_done:
            # The status of an unfinished operation depends on timing.
            outcome = ["UNFINISHED"]
        else:
            outcome = [operation.status, *_outcome(operation, result)]
        yield _line(f"{indent}{label}", *_parameters(operation), *outcome)
        yield from _lines(result, operation, f"{indent}  ")


def _is_timer(operation: RecordedOperation) -> bool:
    """Return ``True`` for a timer of asyncio, an inbox or a time limit, whose length in the log timing decides."""
    return operation.name in TIMER_NAMES or operation.id.startswith(LIMITS)


def _parameters(operation: RecordedOperation) -> Iterator[str]:
    """Yield the parameters of an operation: durations, timeouts, the invoked function and its payload."""
    for event in operation.events:
        wait = event.wait_started_details
        if wait is not None and not _is_timer(operation):
            yield f"{wait.duration} s"
        callback = event.callback_started_details
        if callback is not None:
            if callback.timeout:
                yield f"timeout {callback.timeout} s"
            if callback.heartbeat_timeout:
                yield f"heartbeat timeout {callback.heartbeat_timeout} s"
        invoke = event.chained_invoke_started_details
        if invoke is not None:
            payload = invoke.input.payload if invoke.input else None
            yield f"of {invoke.function_name} with {_payload(payload) or 'nothing'}"


def _outcome(operation: RecordedOperation, result: DurableTestResult[object]) -> Iterator[str]:
    if operation.type == OperationType.STEP and (operation.attempt or 1) > 1:
        yield f"in attempt {operation.attempt}"
    if operation.error_object is not None:
        yield _error(operation.error_object)
    elif (summary := _batch(operation, result)) is not None:
        yield summary
    elif operation.payload is not None:
        yield _payload(comparable(result.arn, operation.payload))


class _Batch(msgspec.Struct, rename="camel"):
    """The members of a batch result that are shown."""

    all: list[msgspec.Raw]
    completion_reason: str


def _batch(operation: RecordedOperation, result: DurableTestResult[object]) -> str | None:
    """Summarize a map or a parallel: the number of branches and the reason of completion.

    ``None`` for other operations, and for results whose branches have no lines of their own.
    """
    if operation.sub_type not in _BATCHES:
        return None
    try:
        batch = msgspec.json.decode(operation.payload or "", type=_Batch)
    except msgspec.DecodeError:
        return None  # written by a custom serdes
    branches = [child for child in result.children(operation) if child.sub_type in _BRANCHES]
    count = len(batch.all)
    if count != len(branches):
        return None  # branches without contexts, or with several items each
    return f"{count} {'branch' if count == 1 else 'branches'}  {batch.completion_reason}"


def _line(*parts: str) -> str:
    return "  ".join(part for part in parts if part).rstrip()


def _payload(payload: str | None) -> str:
    if payload is None:
        return ""
    line = payload.replace("\n", "\\n")
    if len(line) <= _LONGEST_PAYLOAD:
        return line
    digest = blake2b(line.encode(), digest_size=8).hexdigest()
    return f"{line[:_LONGEST_PAYLOAD]}... {len(line)} characters, {digest}"


def _error(error: ErrorObject) -> str:
    message = (error.error_message or "").replace("\n", "\\n")
    return f"{error.error_type or 'error'}: {message}"


def _write(path: Path, text: str) -> None:
    """Write a file atomically, since tests may run in parallel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
