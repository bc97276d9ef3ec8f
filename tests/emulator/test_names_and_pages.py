"""Repeated names, and results in pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.emulator.emulator_rig import (
    PENDING,
    EmulatorRig,
    Invoked,
    calls_back,
    returns,
    succeeded,
    waits,
)

from durable_execution_sdk.emulator.driver import Ending
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.control_plane import InvokeRequest, ListRequest
from durable_execution_sdk.protocol.data_plane import Outcome, StateRequest


def test_a_handler_reads_all_pages_of_a_long_state(tmp_path: Path) -> None:
    rig = EmulatorRig(SqliteStore(tmp_path / "x.db"), limits=Limits(first_page_items=4))
    pages: list[tuple[int, int]] = []

    async def workflow(run: Invoked) -> Outcome:
        pages.append((await run.read_all_pages(), len(run.operations)))
        for number in range(10):
            await run.step(f"s{number}", lambda: None)
        if not await run.wait("w", 1):
            return PENDING
        return succeeded(sorted(run.operations)[:3])

    rig.add("f", workflow)
    arn = rig.start()
    assert rig.run(arn) is Ending.DONE
    assert pages == [(1, 1), (4, 12)]
    rig.emulator.close()


def test_a_list_pages_through_a_functions_executions(rig: EmulatorRig) -> None:
    rig.add("f", waits)
    arns: list[str] = []
    for number in range(5):
        arns.append(rig.start(payload=number))
        rig.clock.advance(10)
    listed_arns: list[str] = []
    marker: str | None = None
    while True:
        page = rig.emulator.list_executions(
            ListRequest(function_name="f", max_items=2, marker=marker, reverse_order=True)
        )
        listed_arns += [execution.durable_execution_arn for execution in page.durable_executions]
        marker = page.next_marker
        if marker is None:
            break
    assert listed_arns == arns
    newest = rig.emulator.list_executions(ListRequest(function_name="f", max_items=1))
    assert newest.durable_executions[0].durable_execution_arn == arns[-1]
    with pytest.raises(ServiceError, match="Invalid Marker"):
        rig.emulator.list_executions(ListRequest(function_name="f", marker="?"))


def test_a_list_shows_executions_that_have_timed_out(memory: EmulatorRig) -> None:
    memory.add("f", calls_back, execution_timeout=5)
    memory.start()
    memory.clock.advance(6_000)
    page = memory.emulator.list_executions(
        ListRequest(function_name="f:$LATEST", statuses=["TIMED_OUT"])
    )
    assert len(page.durable_executions) == 1


def test_a_list_of_an_unknown_function_is_not_found(memory: EmulatorRig) -> None:
    with pytest.raises(ServiceError) as refused:
        memory.emulator.list_executions(ListRequest(function_name="missing"))
    assert refused.value.code == "ResourceNotFoundException"


def test_a_list_of_an_unknown_alias_is_not_found(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    arn = memory.start()
    memory.functions.add_alias("f", "live", "$LATEST")
    listed = memory.emulator.list_executions(ListRequest(function_name="f", qualifier="live"))
    assert [each.durable_execution_arn for each in listed.durable_executions] == [arn]
    for request in (
        ListRequest(function_name="f", qualifier="typo"),
        ListRequest(function_name="f:typo"),
    ):
        with pytest.raises(ServiceError, match=r"Function not found: .*:function:f:typo"):
            memory.emulator.list_executions(request)


def test_a_name_with_the_same_input_is_the_same_execution(rig: EmulatorRig) -> None:
    rig.add("f", waits)
    arn = rig.start(durable_execution_name="order-1", payload={"id": 1})
    assert rig.start(durable_execution_name="order-1", payload={"id": 1}) == arn
    rig.run(arn)
    assert rig.start(durable_execution_name="order-1", payload={"id": 1}) == arn
    assert rig.result(arn) == "waited"


def test_a_name_with_another_input_or_function_is_refused(rig: EmulatorRig) -> None:
    rig.add("f", waits)
    rig.add("g", waits)
    rig.start(durable_execution_name="order-1", payload={"id": 1})
    for name, payload in (("f", {"id": 2}), ("g", {"id": 1})):
        with pytest.raises(ServiceError) as refused:
            rig.start(name, payload, durable_execution_name="order-1")
        assert refused.value.code == "DurableExecutionAlreadyStartedException"
        assert refused.value.status == 409


@pytest.mark.parametrize("name", ["with space", "x" * 65, "ü"])
def test_a_name_that_the_service_would_not_take_is_refused(memory: EmulatorRig, name: str) -> None:
    memory.add("f", waits)
    with pytest.raises(ServiceError, match="1 to 64"):
        memory.start(durable_execution_name=name)


def test_a_durable_function_needs_a_qualifier(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    with pytest.raises(ServiceError, match=r"unqualified ARN.*such as f:\$LATEST"):
        memory.emulator.start(InvokeRequest(function_name="f"))
    memory.functions.add_plain("plain", returns(None))
    with pytest.raises(ServiceError, match="not a durable function"):
        memory.emulator.start(InvokeRequest(function_name="plain:$LATEST"))


def test_an_input_that_is_not_json_is_refused(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    with pytest.raises(ServiceError) as refused:
        memory.emulator.start(InvokeRequest(function_name="f:$LATEST", payload=b"{oops"))
    assert refused.value.code == "InvalidRequestContentException"


@pytest.mark.parametrize("arn", ["nonsense", "arn:aws:lambda:x:1:function:f"])
def test_an_invalid_arn_is_an_invalid_parameter(memory: EmulatorRig, arn: str) -> None:
    with pytest.raises(ServiceError) as refused:
        memory.emulator.describe(arn)
    assert refused.value.code == "InvalidParameterValueException"


def test_the_data_plane_knows_no_not_found(memory: EmulatorRig) -> None:
    arn = f"{memory.functions.arn('f', '1')}/durable-execution/a/b"
    with pytest.raises(ServiceError) as refused:
        memory.emulator.get_state(StateRequest(durable_execution_arn=arn, checkpoint_token="t"))
    assert refused.value.code == "InvalidParameterValueException"
