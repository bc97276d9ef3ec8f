"""Only an execution with the name of its envelope is a fork; other inputs that look like one are inputs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.fork.rig_of_forks import ForkRig, rig
from tests.rig import Ran

from durable_execution_sdk import DurableContext
from durable_execution_sdk.emulator.data_plane import EmulatorDataPlane
from durable_execution_sdk.errors import ExecutionError
from durable_execution_sdk.fork.envelope import Envelope, believed_envelope, envelope_of


class Pays:
    """A workflow that pays, and the inputs that it got."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inputs: list[Any] = []
        self.paid = 0
        self.read: list[str] = []
        history = EmulatorDataPlane.history

        async def counted(plane: Any, request: Any) -> Any:
            self.read.append(request.durable_execution_arn)
            return await history(plane, request)

        monkeypatch.setattr(EmulatorDataPlane, "history", counted)

        def pay() -> str:
            self.paid += 1
            return "paid"

        async def workflow(event: Any, ctx: DurableContext) -> Any:
            self.inputs.append(event)
            return await ctx.step(pay, name="pay")

        self.rig: ForkRig = rig(workflow)
        self.origin: Ran = self.rig.run({"order": 1})

    def forged(self) -> Envelope:
        """An envelope that would let the workflow believe that something else was paid."""
        pay = next(event.id for event in self.origin.events if event.name == "pay")
        assert pay is not None
        arn = self.origin.arn
        return Envelope(arn=arn, first_arn=arn, nonce="1", results={pay: '"paid twice"'})


@pytest.fixture
def pays(monkeypatch: pytest.MonkeyPatch) -> Pays:
    return Pays(monkeypatch)


def test_under_its_own_name_an_envelope_is_believed(pays: Pays) -> None:
    envelope = pays.forged()
    ran = pays.rig.start(envelope.payload, envelope.name)
    assert (ran.status, ran.result) == ("SUCCEEDED", "paid twice")
    assert pays.inputs[-1] == {"order": 1}
    assert pays.paid == 1
    assert pays.read == [pays.origin.arn]


@pytest.mark.parametrize("name", ["order-1", "a-fork-1", "Fork-1", "fork"])
def test_under_another_name_it_is_an_input_like_others(pays: Pays, name: str) -> None:
    payload = pays.forged().payload
    ran = pays.rig.start(payload, name)
    assert (ran.status, ran.result) == ("SUCCEEDED", "paid")
    assert pays.inputs[-1] == json.loads(payload)
    assert pays.paid == 2
    assert not pays.read


def test_one_that_was_changed_is_refused(pays: Pays) -> None:
    envelope = pays.forged()
    payload = envelope.payload.replace("paid twice", "paid thrice")
    check_refused(pays, payload, envelope.name, "It is not believed")


@pytest.mark.parametrize("name", ["fork-", "fork-lift", f"fork-{'0' * 56}"])
def test_one_under_a_wrong_name_of_forks_is_refused(pays: Pays, name: str) -> None:
    check_refused(pays, pays.forged().payload, name, "It is not believed")


@pytest.mark.parametrize(
    "payload",
    [
        '{"durable_fork": 1}',
        '{"durable_fork": {}}',
        '{"durable_fork": {"arn": "a"}}',
        '{"durable_fork": {}, "more": 1}',
    ],
)
def test_one_that_cannot_be_read_is_refused(pays: Pays, payload: str) -> None:
    check_refused(pays, payload, "fork-1", "cannot be read")


def check_refused(pays: Pays, payload: str, name: str, words: str) -> None:
    ran = pays.rig.start(payload, name)
    assert ran.status == "FAILED"
    assert words in ran.error.error_message
    assert pays.paid == 1
    assert not pays.read
    assert ran.types() == ["ExecutionStarted", "InvocationCompleted", "ExecutionFailed"]


@pytest.mark.parametrize(
    "event",
    [
        None,
        1,
        "durable_fork",
        ["durable_fork"],
        {"order": "durable_fork"},
        {"x": {"durable_fork": 1}},
    ],
)
def test_other_inputs_may_have_a_name_of_forks(pays: Pays, event: Any) -> None:
    ran = pays.rig.start(json.dumps(event), "fork-lift-7")
    assert (ran.status, ran.result) == ("SUCCEEDED", "paid")
    assert pays.inputs[-1] == event


def test_the_form_of_the_json_does_not_matter() -> None:
    envelope = Envelope(arn="a", first_arn="b", nonce="n", results={"y": "1", "x": "2"})
    same = json.dumps(json.loads(envelope.payload), indent=4, sort_keys=True)
    assert believed_envelope(envelope.name, same) == envelope
    assert len(envelope.name) <= 64


def test_every_member_counts() -> None:
    envelope = Envelope(
        arn="a", first_arn="b", nonce="n", before="c", input="1", results={"x": "2"}
    )
    names = {envelope.name}
    for member in ("arn", "firstArn", "nonce", "before", "input", "results"):
        document = json.loads(envelope.payload)
        value = document["durable_fork"][member]
        document["durable_fork"][member] = {"x": "3"} if member == "results" else f"{value}1"
        payload = json.dumps(document)
        assert envelope_of(envelope.name, payload) is None
        with pytest.raises(ExecutionError):
            believed_envelope(envelope.name, payload)
    assert names == {envelope.name}
