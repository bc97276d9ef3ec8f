"""The plugin that writes one record of an execution when it has ended."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable, Sequence
from zlib import crc32

import msgspec

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.plugins import (
    DurablePlugin,
    InvocationEndInfo,
    InvocationStatus,
    OperationInfo,
)
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.operations import OperationType, is_status
from durable_execution_sdk.telemetry.lines import checked_writer, json_line, timestamp, write_line
from durable_execution_sdk.telemetry.operations_by_name import error_member, operations_by_name

__all__ = ["TelemetryRecordPlugin"]

_logger = logging.getLogger("durable_execution")

_ENDED = frozenset({InvocationStatus.SUCCEEDED, InvocationStatus.FAILED})
# An event of CloudWatch Logs may be larger today, but 256 KiB is what all of its readers take.
_MAX_BYTES = 256_000
# The ARN with its parts, and an error with texts that are all escapes, fit into so many.
_LEAST_BYTES = 128 * 1024

Content = bool | Callable[[object], object]


class TelemetryRecordPlugin(DurablePlugin):
    """One line of JSON for each execution, with its status, times, error and a summary of its operations.

    The record has the members of AWS's ``DurableExecutionTelemetry``, version 1.0: ``recordType``,
    ``schemaVersion``, ``emittedAt``, ``executionArn`` and its parts, ``status``, ``startTime``, ``endTime``,
    ``durationMs``, ``input``, ``output``, ``error`` and ``operationsByName``, which has for each name the
    number of its operations, of the failed ones, the greatest attempt and the shortest, longest and total
    duration. An invocation that is lost after it has written its record writes another one, and an execution
    that is stopped or times out from outside has none, because no code runs then.

    Args:
        at_suspension: write a record with the status ``RUNNING``, too, whenever the execution is suspended.
        only_failures: write records of failed executions only.
        all_operations: include the operations inside of contexts, maps and parallels.
        input: include the input of the execution, or what this function makes of it.
        output: include its result, likewise.
        errors: include the messages of errors, of the execution and its operations, and not only their names.
        sampled: the part of executions, 0 to 1, that have records. It is decided by the ARN.
        max_bytes: the greatest size of a line. A longer one loses operations first, the earliest started
            before others, and then the longer one of input and output, and the other; the members ``truncated`` and ``dropped...`` tell.
        write: a function that takes a line, by default one that writes it to standard output.

    Raises:
        ConfigError: an option has a value that it cannot have, or ``at_suspension`` and ``only_failures``
            are given together.
    """

    def __init__(
        self,
        *,
        at_suspension: bool = False,
        only_failures: bool = False,
        all_operations: bool = False,
        input: Content = False,  # noqa: A002 - the name of the member
        output: Content = False,
        errors: bool = True,
        sampled: float = 1.0,
        max_bytes: int = _MAX_BYTES,
        write: Callable[[str], object] = write_line,
    ) -> None:
        if at_suspension and only_failures:
            raise ConfigError(
                "TelemetryRecordPlugin: an execution that is suspended has not failed, so give either"
                " at_suspension or only_failures"
            )
        _check_content("input", input)
        _check_content("output", output)
        _check_numbers(sampled, max_bytes)
        self._at_suspension = at_suspension
        self._only_failures = only_failures
        self._all_operations = all_operations
        self._input = input
        self._output = output
        self._errors = errors
        self._sampled = sampled
        self._max_bytes = max_bytes
        self._write = checked_writer("TelemetryRecordPlugin", write)

    def on_invocation_end(self, info: InvocationEndInfo) -> None:
        """Write the record if one is due."""
        if self._is_due(info.status) and _is_sampled(info.execution_arn, self._sampled):
            self._write(self._line(info))

    def _is_due(self, status: InvocationStatus) -> bool:
        if status == InvocationStatus.PENDING:
            return self._at_suspension
        return status == InvocationStatus.FAILED or (
            status == InvocationStatus.SUCCEEDED and not self._only_failures
        )

    def _line(self, info: InvocationEndInfo) -> str:
        """Return the record, without what does not fit into ``max_bytes``."""
        identity = self._identity(info)
        content: dict[str, msgspec.Raw] = {}
        for member, text, option in (
            ("input", info.execution_input, self._input),
            ("output", info.execution_result, self._output),
        ):
            try:
                value = _content(text, option)
            except Exception:  # of the user's function, or because it did not make JSON
                _logger.warning(
                    "TelemetryRecordPlugin(%s=...) could not include it; it is left out of the record of %s",
                    member,
                    info.execution_arn,
                    exc_info=True,
                )
                _drop(identity, member)
                continue
            if value is not None:
                content[member] = value
        operations = sorted(
            (
                each
                for each in info.operations.values()
                if each.type != OperationType.EXECUTION
                and not is_status(each.id, each.name)
                and (self._all_operations or each.parent_id is None)
            ),
            key=_began,
        )

        def line(dropped: int) -> str:
            return self._assembled(identity, content, operations, dropped)

        def fits(dropped: int) -> bool:
            return len(line(dropped).encode()) <= self._max_bytes

        whole = line(0)
        if len(whole.encode()) <= self._max_bytes:
            return whole
        dropped = bisect_left(range(len(operations)), x=True, key=fits)
        for member in sorted(content, key=lambda each: len(bytes(content[each])), reverse=True):
            if not fits(dropped):
                del content[member]
                _drop(identity, member)
        return line(dropped)

    def _assembled(
        self,
        identity: dict[str, object],
        content: dict[str, msgspec.Raw],
        operations: Sequence[OperationInfo],
        dropped: int,
    ) -> str:
        record = {**identity, **content}
        if dropped:
            record |= {"truncated": True, "droppedOperations": dropped}
        record["operationsByName"] = operations_by_name(
            operations[dropped:], has_messages=self._errors
        )
        return json_line(record)

    def _identity(self, info: InvocationEndInfo) -> dict[str, object]:
        """Return the members that are never left out."""
        arn = ExecutionArn.read(info.execution_arn)
        record: dict[str, object] = {
            "recordType": "DurableExecutionTelemetry",
            "schemaVersion": "1.0",
            "emittedAt": timestamp(info.end_timestamp),
            "executionArn": info.execution_arn,
        }
        if arn is not None:
            record |= {
                "executionName": arn.execution_name,
                "functionName": arn.function_name,
                "functionQualifier": arn.version,
                "region": arn.region,
                "accountId": arn.account,
            }
        has_ended = info.status in _ENDED
        record["status"] = str(info.status) if has_ended else "RUNNING"
        began = info.execution_start_timestamp
        if began is not None:
            record["startTime"] = timestamp(began)
        if has_ended:
            record["endTime"] = timestamp(info.end_timestamp)
            if began is not None:
                taken = (info.end_timestamp - began).total_seconds()
                record["durationMs"] = max(0, round(taken * 1000))
            if info.execution_error is not None:
                record["error"] = error_member(info.execution_error, has_message=self._errors)
        return record


def _check_content(member: str, option: object) -> None:
    if not isinstance(option, bool) and not callable(option):
        raise ConfigError(
            f"TelemetryRecordPlugin: {member} is True, False or a function of the payload, not {option!r}"
        )


def _check_numbers(sampled: object, max_bytes: object) -> None:
    if not isinstance(sampled, (int, float)) or not 0 <= sampled <= 1:
        raise ConfigError(f"TelemetryRecordPlugin: sampled is 0 to 1, not {sampled!r}")
    if not isinstance(max_bytes, int) or max_bytes < _LEAST_BYTES:
        raise ConfigError(
            f"TelemetryRecordPlugin: max_bytes is {_LEAST_BYTES} or more, not {max_bytes!r}"
        )


def _drop(record: dict[str, object], member: str) -> None:
    """Say in the record that it lacks its input or output."""
    record["truncated"] = record[f"dropped{member.title()}"] = True


def _content(text: str | None, option: Content) -> msgspec.Raw | None:
    """Return a payload as the JSON that stands in the record, ``None`` if it is left out."""
    if not text or option is False:
        return None
    try:
        value: object = msgspec.json.decode(text)
    except msgspec.DecodeError:
        value = text  # a SerDes of the user need not write JSON
    made = value if option is True else option(value)
    return None if made is None else msgspec.Raw(json_line(made).encode())


def _is_sampled(arn: str, part: float) -> bool:
    return crc32(arn.encode()) < part * 2**32


def _began(info: OperationInfo) -> float:
    return info.start_timestamp.timestamp() if info.start_timestamp else float("inf")
