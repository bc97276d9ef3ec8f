"""Descriptions and summaries of executions, as the control plane returns them."""

from __future__ import annotations

from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.protocol.control_plane import (
    DurableConfig,
    ExecutionDescription,
    ExecutionSummary,
    PauseDetails,
    TraceHeader,
)
from durable_execution_sdk.protocol.ids import ExecutionArn


def describe(state: ExecutionState, *, include_execution_data: bool = True) -> ExecutionDescription:
    """Return the description of an execution; without its data, payloads are ``None``."""
    arn = ExecutionArn.parse(state.arn)
    include_data = include_execution_data
    return ExecutionDescription(
        durable_execution_arn=state.arn,
        durable_execution_name=arn.execution_name,
        function_arn=state.function_arn,
        status=state.status,
        start_timestamp=state.started_at,
        end_timestamp=state.ended_at,
        input_payload=state.input if include_data else None,
        result=state.result if include_data else None,
        error=state.error if include_data else None,
        version=arn.version,
        trace_header=TraceHeader(x_amzn_trace_id=state.trace_id) if state.trace_id else None,
        execution_data_included=include_data,
        durable_config=DurableConfig(
            retention_period_in_days=state.retention, execution_timeout=state.execution_timeout
        ),
        pause_details=_pause_details(state, include_data=include_data),
        expected_execution_timeout_timestamp=None if state.is_closed else state.times_out_at,
    )


def _pause_details(state: ExecutionState, *, include_data: bool) -> PauseDetails | None:
    if state.pause is None:
        return None
    return PauseDetails(
        pause_request_timestamp=state.pause.requested_at,
        execution_timeout_paused=state.pause.execution_timeout_paused,
        reason=state.pause.reason if include_data else None,
    )


def summarize(state: ExecutionState) -> ExecutionSummary:
    """Return the summary of an execution for a list."""
    return ExecutionSummary(
        durable_execution_arn=state.arn,
        durable_execution_name=ExecutionArn.parse(state.arn).execution_name,
        function_arn=state.function_arn,
        status=state.status,
        start_timestamp=state.started_at,
        end_timestamp=state.ended_at,
    )
