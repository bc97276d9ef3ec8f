"""What a handler sees: the event that it is invoked with, pages of state, answers to checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.engine.rejections import invalid, stale_token
from durable_execution_sdk.engine.state import ExecutionState, GivenResponse
from durable_execution_sdk.engine.tokens import require_current_token
from durable_execution_sdk.engine.views.paging import marker_for, page_size, place_of
from durable_execution_sdk.model.api import CheckpointResponse, StatePage
from durable_execution_sdk.model.invocation import InitialExecutionState, Invocation
from durable_execution_sdk.model.operation import TERMINAL_STATUSES, Operation, OperationType

_STATE = "state"
_RESPONSE = "response"
_encoder = msgspec.json.Encoder()


def invocation_event(state: ExecutionState, limits: Limits = DEFAULT_LIMITS) -> Invocation:
    """What the handler of the running invocation is called with (after ``StartInvocation``)."""
    invocation = state.invocation
    if invocation is None or invocation.token is None:
        raise stale_token()
    operations, following = _operations_from(state, 0, limits.first_page_items, limits)
    return Invocation(
        durable_execution_arn=state.arn,
        checkpoint_token=invocation.token,
        initial_execution_state=InitialExecutionState(
            operations=operations,
            next_marker="" if following is None else marker_for(_STATE, following),
        ),
        updated_operation_ids=list(invocation.updated_ids),
    )


def state_page(
    state: ExecutionState,
    token: str,
    marker: str | None = None,
    max_items: int = 0,
    limits: Limits = DEFAULT_LIMITS,
) -> StatePage:
    """A page of operations, in the order in which they started; ``Rejected`` for a stale token."""
    require_current_token(state, token)
    most = page_size(max_items, limits)
    kind, place = place_of(marker) if marker else (_STATE, 0)
    if kind == _STATE:
        operations, following = _operations_from(state, place, most, limits)
    elif kind == _RESPONSE and state.last_response is not None:
        operations, following = _page(state.last_response.operations, place, most, limits)
    else:
        raise invalid(f"Invalid Marker {marker!r}: use the NextMarker of an answer.")
    return StatePage(
        operations=operations,
        next_marker=None if following is None else marker_for(kind, following),
    )


def checkpoint_response(
    state: ExecutionState,
    token: str,
    client_token: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> CheckpointResponse:
    """The answer to the checkpoint that used ``token`` (after deciding and folding it)."""
    given = _given_response(state, token, client_token)
    operations, following = _page(given.operations, 0, limits.max_page_items, limits)
    return CheckpointResponse(
        checkpoint_token=given.next_token,
        operations=operations,
        next_marker=None if following is None else marker_for(_RESPONSE, following),
    )


def _given_response(state: ExecutionState, token: str, client_token: str | None) -> GivenResponse:
    if client_token is not None and (client_token, token) in state.responses:
        return state.responses[client_token, token]
    if state.last_response is None or state.last_response.token != token:
        raise stale_token()
    return state.last_response


def _operations_from(
    state: ExecutionState, place: int, most: int, limits: Limits
) -> tuple[list[Operation], int | None]:
    """Operations from a place in the order of their starts, and the place after them, if any."""
    hides: dict[str, bool] = {}
    left = state.order[place:]
    if len(left) <= most:
        seen = [
            operation
            for operation in map(state.operations.__getitem__, left)
            if operation.parent_id is None or not _hides(state, operation.parent_id, hides)
        ]
        if _fit(seen, limits):
            return seen, None
    operations: list[Operation] = []
    room = limits.page_bytes
    for position in range(place, len(state.order)):
        operation = state.operations[state.order[position]]
        if operation.parent_id is not None and _hides(state, operation.parent_id, hides):
            continue
        room -= len(_encoder.encode(operation))
        if len(operations) == most or (room < 0 and operations):
            return operations, position
        operations.append(operation)
    return operations, None


def _hides(state: ExecutionState, context_id: str, known: dict[str, bool]) -> bool:
    """Whether a context, or one around it, is over: then what is in it need not be replayed."""
    found = known.get(context_id)
    if found is None:
        context = state.operations[context_id]
        details = context.context_details
        found = (
            context.type == OperationType.CONTEXT
            and context.status in TERMINAL_STATUSES
            and not (details and details.replay_children)
        )
        if not found and context.parent_id is not None:
            found = _hides(state, context.parent_id, known)
        known[context_id] = found
    return found


def _page(
    operations: Sequence[Operation], place: int, most: int, limits: Limits
) -> tuple[list[Operation], int | None]:
    left = operations[place:]
    if len(left) <= most and _fit(left, limits):
        return list(left), None
    page: list[Operation] = []
    room = limits.page_bytes
    for position in range(place, len(operations)):
        room -= len(_encoder.encode(operations[position]))
        if len(page) == most or (room < 0 and page):
            return page, position
        page.append(operations[position])
    return page, None


def _fit(operations: Sequence[Operation], limits: Limits) -> bool:
    """Whether they are no more than one page: most are, and measured one by one they cost more."""
    return len(_encoder.encode(operations)) <= limits.page_bytes
