from __future__ import annotations

from itertools import pairwise

import pytest
from tests.engine.engine_driver import Execution, callback, context, replayed_context, step

from durable_execution_sdk.engine.commands import CompleteCallback
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.engine.views.handler_view import (
    checkpoint_response,
    invocation_event,
    state_page,
)
from durable_execution_sdk.engine.views.history import history_page
from durable_execution_sdk.engine.views.paging import marker_for
from durable_execution_sdk.protocol.control_plane import HistoryRequest


def ids(execution: Execution, max_items: int = 0, marker: str | None = None) -> list[str]:
    """Return the ids on all pages from ``marker`` on."""
    all_ids: list[str] = []
    while True:
        page = state_page(execution.state, execution.token, marker, max_items, execution.limits)
        assert len(page.operations) <= (max_items or 100)
        all_ids += [operation.id for operation in page.operations]
        marker = page.next_marker
        if marker is None:
            return all_ids


@pytest.mark.parametrize("max_items", [0, 1, 7, 250, 1_000])
def test_pages_hold_every_operation_once_in_the_order_of_their_starts(
    running: Execution, max_items: int
) -> None:
    names = [f"s{number}" for number in range(250)]
    running.checkpoint(*(step("START", name) for name in names))
    running.checkpoint(*(step("SUCCEED", name) for name in reversed(names)))
    assert ids(running, max_items) == ["run-1", *names]


def test_a_page_that_ends_with_the_last_operation_has_no_marker(running: Execution) -> None:
    running.checkpoint(*(step("START", f"s{number}") for number in range(9)))
    assert state_page(running.state, running.token, None, 10).next_marker is None
    assert state_page(running.state, running.token, None, 9).next_marker is not None


@pytest.mark.parametrize("max_items", [-1, 1_001])
def test_a_page_has_at_most_a_thousand_items(running: Execution, max_items: int) -> None:
    with pytest.raises(Rejected, match="Invalid MaxItems"):
        state_page(running.state, running.token, None, max_items)


@pytest.mark.parametrize(
    "marker", ["?", "YQ==", marker_for("state", -1), marker_for("else", 1), marker_for("", 1)]
)
def test_a_made_up_marker_is_refused(running: Execution, marker: str) -> None:
    with pytest.raises(Rejected, match="Invalid Marker") as refused:
        state_page(running.state, running.token, marker)
    assert refused.value.status == 400


def test_the_first_page_of_an_invocation_is_bounded_and_the_rest_is_read_with_its_token() -> None:
    for limits in (Limits(first_page_items=10), Limits(page_bytes=2_000)):
        execution = Execution(limits).start()
        execution.invoke()
        names = [f"s{number}" for number in range(50)]
        execution.checkpoint(*(step("START", name) for name in names))
        execution.crash()
        execution.tick(1)
        state = execution.invoke().initial_execution_state
        assert 1 < len(state.operations) < 51
        assert state.next_marker
        first = [operation.id for operation in state.operations]
        assert first + ids(execution, marker=state.next_marker) == ["run-1", *names]


def test_an_operation_larger_than_a_page_has_a_page_of_its_own() -> None:
    execution = Execution(Limits(page_bytes=500)).start()
    execution.invoke()
    execution.checkpoint(*(step("SUCCEED", f"s{n}", payload="x" * 600) for n in range(3)))
    page = state_page(execution.state, execution.token, None, 0, execution.limits)
    assert len(page.operations) == 1
    assert ids(execution) == ["run-1", "s0", "s1", "s2"]


def test_a_large_answer_goes_on_in_the_state(running: Execution) -> None:
    execution = Execution(Limits(page_bytes=2_000)).start()
    execution.invoke()
    names = [f"cb{number}" for number in range(5)]
    execution.checkpoint(*(callback(name) for name in names))
    for name in names:
        execution.send(CompleteCallback(operation_id=name, result="x" * 900))
    response = execution.checkpoint(step("START"))
    assert response.next_marker is not None
    operation_ids = [operation.id for operation in response.operations]
    assert operation_ids + ids(execution, marker=response.next_marker) == [*names, "s"]


def test_children_of_a_completed_context_are_left_out(running: Execution) -> None:
    running.checkpoint(
        context("START", "outer"),
        context("START", "inner", parent_id="outer"),
        step("SUCCEED", "deep", parent_id="inner"),
        step("SUCCEED", "shallow", parent_id="outer"),
    )
    assert ids(running) == ["run-1", "outer", "inner", "deep", "shallow"]
    running.checkpoint(context("SUCCEED", "inner", parent_id="outer"))
    assert ids(running) == ["run-1", "outer", "inner", "shallow"]
    running.checkpoint(context("SUCCEED", "outer"))
    assert ids(running) == ["run-1", "outer"]
    assert ids(running, 1) == ["run-1", "outer"]


def test_children_of_a_context_that_replays_them_stay(running: Execution) -> None:
    running.checkpoint(
        context("START", "outer"),
        context("START", "inner", parent_id="outer"),
        step("SUCCEED", "deep", parent_id="inner"),
    )
    running.checkpoint(context("SUCCEED", "inner", parent_id="outer"))
    running.checkpoint(replayed_context("outer"))
    assert ids(running) == ["run-1", "outer", "inner"]


def test_no_event_is_made_for_an_invocation_that_is_not_running(running: Execution) -> None:
    running.checkpoint(callback())
    running.suspend()
    with pytest.raises(Rejected):
        invocation_event(running.state)


def test_no_answer_is_made_for_a_checkpoint_that_was_not_given(running: Execution) -> None:
    with pytest.raises(Rejected):
        checkpoint_response(running.state, running.token)


# The history


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("max_items", [0, 1, 7, 1_000])
def test_a_history_is_read_in_pages_from_either_end(
    running: Execution, max_items: int, reverse: bool
) -> None:
    running.checkpoint(*(step("SUCCEED", f"s{number}") for number in range(150)))
    event_ids: list[int] = []
    marker = None
    while True:
        page = history_page(
            running.log,
            HistoryRequest(
                durable_execution_arn=running.state.arn,
                max_items=max_items,
                marker=marker,
                reverse_order=reverse,
            ),
        )
        assert len(page.events) <= (max_items or 100)
        event_ids += [entry.event_id for entry in page.events]
        marker = page.next_marker
        if marker is None:
            break
        # An event that is added between two pages neither repeats nor hides another.
        if len(event_ids) < 30:
            running.checkpoint(step("SUCCEED", f"late{len(event_ids)}"))
    step_by = -1 if reverse else 1
    assert all(later - earlier == step_by for earlier, later in pairwise(event_ids))
    assert 1 in event_ids


def test_a_marker_of_one_direction_is_refused_in_the_other(running: Execution) -> None:
    running.checkpoint(*(step("SUCCEED", f"s{number}") for number in range(5)))
    request = HistoryRequest(durable_execution_arn="", max_items=2)
    marker = history_page(running.log, request).next_marker
    backwards = HistoryRequest(durable_execution_arn="", marker=marker, reverse_order=True)
    with pytest.raises(Rejected, match="Invalid Marker"):
        history_page(running.log, backwards)
