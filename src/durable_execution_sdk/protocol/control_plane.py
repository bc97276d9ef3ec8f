"""Requests and responses of the control plane: start, read, stop, pause, delete, callbacks.

Separate from ``data_plane``, so that a handler in Lambda does not load them.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import HistoryEvent


class ExecutionStatus(StrEnum):
    """Statuses of an execution."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    STOPPED = "STOPPED"
    DELETING = "DELETING"
    PAUSING = "PAUSING"
    PAUSED = "PAUSED"


CLOSED_STATUSES = frozenset(
    {
        ExecutionStatus.SUCCEEDED,
        ExecutionStatus.FAILED,
        ExecutionStatus.TIMED_OUT,
        ExecutionStatus.STOPPED,
    }
)


class InvocationType(StrEnum):
    """Kinds of ``Invoke``: wait for the result, do not wait, or only validate."""

    REQUEST_RESPONSE = "RequestResponse"
    EVENT = "Event"
    DRY_RUN = "DryRun"


class InvokeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Request of ``Invoke``: start an execution of a durable function, or call a plain one.

    ``payload`` is JSON text. A durable function needs a qualifier, in ``qualifier`` or in its name.
    ``trace_header`` is the caller's X-Amzn-Trace-Id.
    """

    function_name: str
    payload: bytes = b""
    qualifier: str | None = None
    invocation_type: InvocationType = InvocationType.REQUEST_RESPONSE
    durable_execution_name: str | None = None
    tenant_id: str | None = None
    trace_header: str | None = None


class InvokeResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Response of ``Invoke``; ``payload`` is the result or the error as JSON text."""

    status_code: int
    payload: bytes = b""
    function_error: str | None = None
    executed_version: str | None = None
    durable_execution_arn: str | None = None


class ExecutionSummary(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """An execution in a list (API shape ``Execution``)."""

    durable_execution_arn: str
    durable_execution_name: str
    function_arn: str
    status: str
    start_timestamp: int | float
    end_timestamp: int | float | None = None
    kms_key_arn: str | None = msgspec.field(default=None, name="KMSKeyArn")


class TraceHeader(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """The X-Ray trace that an execution belongs to."""

    x_amzn_trace_id: str | None = None


class DurableConfig(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """A durable function's configuration: timeout in seconds, retention in days."""

    retention_period_in_days: int | None = None
    execution_timeout: int | None = None
    kms_key_arn: str | None = msgspec.field(default=None, name="KMSKeyArn")


class PauseDetails(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """Details of an execution that is pausing or paused."""

    pause_request_timestamp: int | float
    execution_timeout_paused: bool
    reason: str | None = None


class ExecutionDescription(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """Response of ``GetDurableExecution``; timestamps are milliseconds since the epoch."""

    durable_execution_arn: str
    durable_execution_name: str
    function_arn: str
    status: str
    start_timestamp: int | float
    end_timestamp: int | float | None = None
    input_payload: str | None = None
    result: str | None = None
    error: ErrorObject | None = None
    version: str | None = None
    trace_header: TraceHeader | None = None
    execution_data_included: bool | None = None
    durable_config: DurableConfig | None = None
    pause_details: PauseDetails | None = None
    expected_execution_timeout_timestamp: int | float | None = None


class ListRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Request of ``ListDurableExecutionsByFunction``; times are milliseconds since the epoch."""

    function_name: str
    qualifier: str | None = None
    durable_execution_name: str | None = None
    statuses: list[str] = []
    started_after: int | None = None
    started_before: int | None = None
    reverse_order: bool = False
    marker: str | None = None
    max_items: int = 0


class ListPage(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """A page of a function's executions, newest first; ``next_marker`` requests the next page."""

    durable_executions: list[ExecutionSummary] = []
    next_marker: str | None = None


class HistoryRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Request of ``GetDurableExecutionHistory``; ``max_items`` is at most ``MAX_PAGE_ITEMS``; 0 means the default."""

    durable_execution_arn: str
    include_execution_data: bool = True
    reverse_order: bool = False
    marker: str | None = None
    max_items: int = 0


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A page of events, oldest first unless reversed; ``next_marker`` requests the next page."""

    events: list[HistoryEvent] = []
    next_marker: str | None = None


class PauseRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """Request of ``PauseDurableExecution``: no invocations until the execution is resumed."""

    client_token: str | None = None
    reason: str | None = None
    execution_timeout_paused: bool | None = None


class ResumeRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """Request of ``ResumeDurableExecution``."""

    client_token: str | None = None
    reason: str | None = None
