"""A handler's view: its invocation event, pages of state, and responses to checkpoints."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.engine.rejections import invalid, stale_token
from durable_execution_sdk.engine.state import ExecutionState, RecordedResponse
from durable_execution_sdk.engine.tokens import require_current_token
from durable_execution_sdk.engine.views.paging import marker_for, page_size, place_of
from durable_execution_sdk.protocol.data_plane import (
    CheckpointResponse,
    InitialExecutionState,
    Invocation,
    StatePage,
)
from durable_execution_sdk.protocol.operations import TERMINAL_STATUSES, Operation, OperationType

_STATE = "state"
_RESPONSE = "response"
_INVALID = "rehearsal"
_encoder = msgspec.json.Encoder()


def invocation_event(
    state: ExecutionState, limits: Limits = DEFAULT_LIMITS, time_offset: int = 0
) -> Invocation:
    """Return the event for the handler of the running invocation (after ``StartInvocation``).

    ``time_offset`` is the execution's time minus the clock's.
    """
    invocation = state.invocation
    if invocation is None or invocation.token is None:
        raise stale_token()
    operations, next_position = _operations_from(state, 0, limits.first_page_items, limits)
    return Invocation(
        durable_execution_arn=state.arn,
        checkpoint_token=invocation.token,
        initial_execution_state=InitialExecutionState(
            operations=operations,
            next_marker="" if next_position is None else marker_for(_STATE, next_position),
        ),
        updated_operation_ids=list(invocation.updated_ids),
        time_offset_milliseconds=time_offset or UNSET,
        forked_from_arn=UNSET if state.forked_from is None else state.forked_from.first_arn,
    )


def next_invocation(state: ExecutionState, time_offset: int = 0) -> Invocation:
    """Return the event that the handler would get now, in one page and with a token that is not valid."""
    whole = msgspec.structs.replace(DEFAULT_LIMITS, page_bytes=sys.maxsize)
    operations, _ = _operations_from(state, 0, len(state.order), whole)
    return Invocation(
        durable_execution_arn=state.arn,
        checkpoint_token=_INVALID,
        initial_execution_state=InitialExecutionState(operations=operations),
        updated_operation_ids=list(state.unseen),
        time_offset_milliseconds=time_offset or UNSET,
        forked_from_arn=UNSET if state.forked_from is None else state.forked_from.first_arn,
    )


def state_page(
    state: ExecutionState,
    token: str,
    marker: str | None = None,
    max_items: int = 0,
    limits: Limits = DEFAULT_LIMITS,
) -> StatePage:
    """Return a page of operations by start order; raise ``Rejected`` for a stale token."""
    require_current_token(state, token)
    page_items = page_size(max_items, limits)
    kind, start = place_of(marker) if marker else (_STATE, 0)
    if kind == _STATE:
        operations, next_position = _operations_from(state, start, page_items, limits)
    elif kind == _RESPONSE and state.last_response is not None:
        operations, next_position = _page(state.last_response.operations, start, page_items, limits)
    else:
        raise invalid(f"Invalid Marker {marker!r}: use the NextMarker of an answer.")
    return StatePage(
        operations=operations,
        next_marker=None if next_position is None else marker_for(kind, next_position),
    )


def checkpoint_response(
    state: ExecutionState,
    token: str,
    client_token: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> CheckpointResponse:
    """Return the response to the checkpoint that used ``token``, once its events are folded."""
    response = _stored_response(state, token, client_token)
    operations, next_position = _page(response.operations, 0, limits.max_page_items, limits)
    return CheckpointResponse(
        checkpoint_token=response.next_token,
        operations=operations,
        next_marker=None if next_position is None else marker_for(_RESPONSE, next_position),
    )


def _stored_response(
    state: ExecutionState, token: str, client_token: str | None
) -> RecordedResponse:
    if client_token is not None and (client_token, token) in state.responses:
        return state.responses[client_token, token]
    if state.last_response is None or state.last_response.token != token:
        raise stale_token()
    return state.last_response


def _operations_from(
    state: ExecutionState, start: int, max_items: int, limits: Limits
) -> tuple[list[Operation], int | None]:
    """Return operations from position ``start`` in start order, and the next page's position, if any."""
    hidden_contexts: dict[str, bool] = {}
    remaining_ids = state.order[start:]
    if len(remaining_ids) <= max_items:
        visible = [
            operation
            for operation in map(state.operations.__getitem__, remaining_ids)
            if operation.parent_id is None
            or not _hides_children(state, operation.parent_id, hidden_contexts)
        ]
        if _fit(visible, limits):
            return visible, None
    operations: list[Operation] = []
    room = limits.page_bytes
    for position in range(start, len(state.order)):
        operation = state.operations[state.order[position]]
        if operation.parent_id is not None and _hides_children(
            state, operation.parent_id, hidden_contexts
        ):
            continue
        room -= len(_encoder.encode(operation))
        if len(operations) == max_items or (room < 0 and operations):
            return operations, position
        operations.append(operation)
    return operations, None


def _hides_children(state: ExecutionState, context_id: str, cache: dict[str, bool]) -> bool:
    """True when a context, or one around it, has ended, so that replay does not need its children."""
    is_hiding = cache.get(context_id)
    if is_hiding is None:
        context = state.operations[context_id]
        details = context.context_details
        is_hiding = (
            context.type == OperationType.CONTEXT
            and context.status in TERMINAL_STATUSES
            and not (details and details.replay_children)
        )
        if not is_hiding and context.parent_id is not None:
            is_hiding = _hides_children(state, context.parent_id, cache)
        cache[context_id] = is_hiding
    return is_hiding


def _page(
    operations: Sequence[Operation], start: int, max_items: int, limits: Limits
) -> tuple[list[Operation], int | None]:
    remaining = operations[start:]
    if len(remaining) <= max_items and _fit(remaining, limits):
        return list(remaining), None
    page: list[Operation] = []
    room = limits.page_bytes
    for position in range(start, len(operations)):
        room -= len(_encoder.encode(operations[position]))
        if len(page) == max_items or (room < 0 and page):
            return page, position
        page.append(operations[position])
    return page, None


def _fit(operations: Sequence[Operation], limits: Limits) -> bool:
    """True when all operations fit into one page: encoding them together is cheaper than one by one."""
    return len(_encoder.encode(operations)) <= limits.page_bytes
