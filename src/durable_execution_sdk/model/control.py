"""The control plane's requests and responses: what everybody but a running handler asks for.

Apart from ``api``, so that a handler in Lambda does not load it.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.history import HistoryEvent


class ExecutionStatus(StrEnum):
    """Where an execution is in its life."""

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
    """How a function is started: wait for the result, or not."""

    REQUEST_RESPONSE = "RequestResponse"
    EVENT = "Event"
    DRY_RUN = "DryRun"


class InvokeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``Invoke``: start an execution of a durable function, or call a plain one.

    ``payload`` is JSON text. A durable function needs a qualifier, here or in its name.
    """

    function_name: str
    payload: bytes = b""
    qualifier: str | None = None
    invocation_type: InvocationType = InvocationType.REQUEST_RESPONSE
    durable_execution_name: str | None = None
    tenant_id: str | None = None


class InvokeResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What ``Invoke`` answers; ``payload`` is the result or the error, as JSON text."""

    status_code: int
    payload: bytes = b""
    function_error: str | None = None
    executed_version: str | None = None
    durable_execution_arn: str | None = None


class ExecutionSummary(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """One line of a list (API shape ``Execution``)."""

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
    """Of an execution that is pausing or paused."""

    pause_request_timestamp: int | float
    execution_timeout_paused: bool
    reason: str | None = None


class ExecutionDescription(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """``GetDurableExecution``: all that is known of one execution."""

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
    """``ListDurableExecutionsByFunction``; the times are in milliseconds since the epoch."""

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
    """Executions of a function, newest first, and where the next page begins."""

    durable_executions: list[ExecutionSummary] = []
    next_marker: str | None = None


class HistoryRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``GetDurableExecutionHistory``: a page of events, at most 1,000; 0 means 100."""

    durable_execution_arn: str
    include_execution_data: bool = True
    reverse_order: bool = False
    marker: str | None = None
    max_items: int = 0


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Events, oldest first unless reversed, and where the next page begins."""

    events: list[HistoryEvent] = []
    next_marker: str | None = None


class PauseRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """``PauseDurableExecution``: no invocations until it is resumed."""

    client_token: str | None = None
    reason: str | None = None
    execution_timeout_paused: bool | None = None


class ResumeRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """``ResumeDurableExecution``: go on after a pause."""

    client_token: str | None = None
    reason: str | None = None
