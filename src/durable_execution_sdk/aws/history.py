"""The call ``GetDurableExecutionHistory``, which clients make, and the first invocation of a fork."""

from __future__ import annotations

from durable_execution_sdk.aws import Call, LambdaClient
from durable_execution_sdk.aws.error_mapping import read_answer
from durable_execution_sdk.protocol import control_plane_codec
from durable_execution_sdk.protocol.control_plane import HistoryPage, HistoryRequest

__all__ = ["history_page"]


async def history_page(client: LambdaClient, path: str, request: HistoryRequest) -> HistoryPage:
    """Read a page of the history of the execution with this path."""
    parameters = {
        # AWS's local runner leaves the data out if it is not asked for.
        "IncludeExecutionData": "true" if request.include_execution_data else "false",
        "ReverseOrder": "true" if request.reverse_order else None,
        "Marker": request.marker,
        "MaxItems": str(request.max_items) if request.max_items else None,
    }
    call = Call(
        operation="GetDurableExecutionHistory",
        method="GET",
        path=f"{path}/history",
        query=tuple((name, value) for name, value in parameters.items() if value is not None),
    )
    return read_answer(
        call.operation, control_plane_codec.decode_history_page, await client.call(call)
    )
