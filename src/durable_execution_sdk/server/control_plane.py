"""Endpoints for clients outside the handler: read, list, stop and pause executions, complete callbacks."""

from __future__ import annotations

from starlette.responses import Response

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.protocol import control_plane_codec
from durable_execution_sdk.protocol.control_plane import HistoryRequest, ListRequest
from durable_execution_sdk.server.request import Incoming
from durable_execution_sdk.server.responses import json_answer


def describe(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``GetDurableExecution``."""
    include_data = incoming.flag("IncludeExecutionData", default=True)
    description = emulator.describe(incoming.arn, include_execution_data=include_data)
    return json_answer(control_plane_codec.encode_description(description))


def history(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``GetDurableExecutionHistory``."""
    page = emulator.history(
        HistoryRequest(
            durable_execution_arn=incoming.arn,
            include_execution_data=incoming.flag("IncludeExecutionData", default=True),
            reverse_order=incoming.flag("ReverseOrder", default=False),
            marker=incoming.text("Marker"),
            max_items=incoming.number("MaxItems"),
        )
    )
    return json_answer(control_plane_codec.encode_history_page(page))


def list_executions(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``ListDurableExecutionsByFunction``."""
    page = emulator.list_executions(
        ListRequest(
            function_name=incoming.path["FunctionName"],
            qualifier=incoming.text("Qualifier"),
            durable_execution_name=incoming.text("DurableExecutionName"),
            statuses=incoming.query.getlist("Statuses"),
            started_after=incoming.moment("StartedAfter"),
            started_before=incoming.moment("StartedBefore"),
            reverse_order=incoming.flag("ReverseOrder", default=False),
            marker=incoming.text("Marker"),
            max_items=incoming.number("MaxItems"),
        )
    )
    return json_answer(control_plane_codec.encode_list_page(page))


def stop(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``StopDurableExecution``. The request's body is the error object itself."""
    stopped_at = emulator.stop(incoming.arn, incoming.read(control_plane_codec.decode_error))
    return json_answer(control_plane_codec.encode_timestamp("StopTimestamp", stopped_at))


def pause(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``PauseDurableExecution``."""
    emulator.pause(incoming.arn, incoming.read(control_plane_codec.decode_pause))
    return json_answer(status=202)


def resume(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``ResumeDurableExecution``."""
    emulator.resume(incoming.arn, incoming.read(control_plane_codec.decode_resume))
    return json_answer(status=202)


def delete(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``DeleteDurableExecution``."""
    deleted_at = emulator.delete(incoming.arn)
    return json_answer(
        control_plane_codec.encode_timestamp("DeletionRequestTimestamp", deleted_at), status=202
    )


def callback_success(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``SendDurableExecutionCallbackSuccess``. The request's body is the result, byte for byte."""
    emulator.readable_success(incoming.callback_id, incoming.body or None)
    return json_answer()


def callback_failure(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``SendDurableExecutionCallbackFailure``. The request's body is the error object itself."""
    emulator.callback_failure(incoming.callback_id, incoming.read(control_plane_codec.decode_error))
    return json_answer()


def callback_heartbeat(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``SendDurableExecutionCallbackHeartbeat``."""
    emulator.callback_heartbeat(incoming.callback_id)
    return json_answer()
