"""One suite of the commands at an endpoint, which each kind of endpoint runs."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.cli.command import CommandOutput, Durable
from tests.cli.process import running

from durable_execution_sdk.cli.main import main
from durable_execution_sdk.client.endpoint_connection import EndpointConnection, EndpointOptions
from durable_execution_sdk.client.fork import history_of
from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    InvocationType,
    InvokeRequest,
)
from durable_execution_sdk.protocol.history import EventType

CODE = Path(__file__).with_name("endpoint_app.py")
_LOOKS = 1_200
_BETWEEN_LOOKS = 0.05
_ENDS = {
    EventType.EXECUTION_SUCCEEDED,
    EventType.EXECUTION_FAILED,
    EventType.EXECUTION_TIMED_OUT,
    EventType.EXECUTION_STOPPED,
}
_NUMBERS = itertools.count(1)


class ServedEndpoint(ABC):
    """An endpoint that runs ``orders``, ``approvals`` and ``desk``; ``lacks`` says in words what the endpoint does not have."""

    lacks: ClassVar[dict[str, str]] = {}
    url: str

    @abstractmethod
    def start(self, function: str, event: Any, name: str) -> str:
        """Start an execution, and return its ARN."""

    def describe(self, arn: str) -> ExecutionDescription:
        return self._ask(lambda connection: connection.control.describe(arn))

    def events(self, arn: str) -> list[str]:
        events = self._ask(lambda connection: history_of(connection.control, arn))
        return [event.event_type for event in events]

    def until(self, arn: str, *wanted: str) -> None:
        """Look at the history until it has an event of these types."""
        for _ in range(_LOOKS):
            events = self.events(arn)
            if not {*wanted}.isdisjoint(events):
                return
            assert _ENDS.isdisjoint(events), f"no {wanted} in {events}"
            threading.Event().wait(_BETWEEN_LOOKS)
        raise AssertionError(f"no {wanted} in {self.events(arn)}")

    def _ask(self, ask: Callable[[EndpointConnection], Any]) -> Any:
        async def asked() -> Any:
            connection = EndpointConnection(None, EndpointOptions(url=self.url))
            try:
                return await ask(connection)
            finally:
                await connection.aclose()

        return asyncio.run(asked())


class InvokedEndpoint(ServedEndpoint):
    """An endpoint that has Invoke."""

    def start(self, function: str, event: Any, name: str) -> str:
        request = InvokeRequest(
            function_name=f"{function}:$LATEST",
            payload=json.dumps(event).encode(),
            invocation_type=InvocationType.EVENT,
            durable_execution_name=name,
        )
        arn = self._ask(lambda connection: connection.control.invoke(request)).durable_execution_arn
        assert isinstance(arn, str)
        return arn


class Commands:
    """The command with the options of an endpoint, and executions to use it on."""

    def __init__(self, durable: Durable, endpoint: ServedEndpoint) -> None:
        self._durable = durable
        self.endpoint = endpoint

    def __call__(self, *words: str) -> CommandOutput:
        return self._durable("--endpoint", self.endpoint.url, *words)

    def has(self, what: str) -> bool:
        return what not in self.endpoint.lacks

    def needs(self, what: str) -> None:
        """Skip what the endpoint does not have."""
        if not self.has(what):
            pytest.skip(f"{what}: {self.endpoint.lacks[what]}")

    def started(self, function: str, event: Any = None, *, until: str) -> tuple[str, str]:
        """Start an execution, and wait for an event of its history; return its name and its ARN."""
        name = f"{function}-{next(_NUMBERS)}-{os.getpid()}"
        arn = self.endpoint.start(function, event or {}, name)
        self.endpoint.until(arn, until)
        return name, arn

    def waiting(self) -> tuple[str, str]:
        return self.started("approvals", until=EventType.INVOCATION_COMPLETED)

    def shipped(self) -> tuple[str, str]:
        return self.started("orders", until=EventType.EXECUTION_SUCCEEDED)

    def failed(self) -> tuple[str, str]:
        return self.started("orders", {"fail": 1}, until=EventType.EXECUTION_FAILED)


class EndpointSuite:
    """The tests. The module of each kind of endpoint has a fixture ``served`` with it."""

    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Change to an empty directory, in an environment that names no credentials and no region."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "200")
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv("DURABLE_STORE", raising=False)
        return tmp_path

    @pytest.fixture
    def durable(self, place: Path, capfd: pytest.CaptureFixture[str]) -> Durable:
        def call(*words: str) -> CommandOutput:
            capfd.readouterr()
            code = main(list(words))
            out, err = capfd.readouterr()
            return CommandOutput(code, out, err)

        return call

    @pytest.fixture
    def command(self, durable: Durable, served: ServedEndpoint) -> Commands:
        return Commands(durable, served)

    def test_executions_are_listed_with_what_they_do(self, command: Commands) -> None:
        shipped, asking = command.shipped()[0], command.waiting()[0]
        lines = command("list", "orders", "--full").out.splitlines()
        assert lines[0].split()[:4] == ["execution", "version", "status", "started"]
        (row,) = (line for line in lines if f"orders/{shipped} " in line)
        assert "SUCCEEDED" in row
        documents = command("list", "approvals", "--json").document
        (document,) = (each for each in documents if each["durable_execution_name"] == asking)
        assert (document["function_name"], document["status"]) == ("approvals", "RUNNING")
        assert (document["activity"], document["operations"]) == ("asking", 1)
        (waiting,) = document["waiting"]
        assert (waiting["path"], waiting["waits_for"]) == (["approve"], "answer")

    def test_a_list_is_of_one_status_and_of_a_part_of_the_names(self, command: Commands) -> None:
        failed, shipped = command.failed()[0], command.shipped()[0]
        documents = command("list", "orders", "--status", "FAILED", "--json").document
        names = [each["durable_execution_name"] for each in documents]
        assert failed in names
        assert shipped not in names
        (found,) = command("list", shipped, "--function", "orders", "--json").document
        assert found["durable_execution_name"] == shipped
        one = command("list", "orders", "--limit", "1", "--json")
        assert len(one.document) == 1
        assert "there are more than these 1; --limit shows them" in one.err

    def test_all_durable_functions_are_listed(self, command: Commands) -> None:
        command.needs("ListFunctions")
        shipped, asking = command.shipped()[0], command.waiting()[0]
        names = [each["durable_execution_name"] for each in command("list", "--json").document]
        assert {shipped, asking} <= {*names}

    def test_an_execution_is_shown_by_its_name_and_its_arn(self, command: Commands) -> None:
        name, arn = command.shipped()
        shown = command("show", f"orders/{name}")
        assert shown.code == 0, shown.err
        assert "charge" in shown.out
        assert f"SUCCEEDED  {name}  invocations: 1  operations: 1  time: " in shown.out
        assert shown.result == "shipped"
        if command.has("ARNs"):
            assert command("show", arn).out == shown.out
        assert command("show", f"orders:$LATEST/{name}").out == shown.out

    def test_the_last_execution_of_a_function_has_a_name(self, command: Commands) -> None:
        command.needs("order of lists")
        name, _ = command.shipped()
        document = command("show", "orders/@last", "--json").document
        assert document["durable_execution_name"] == name

    def test_the_document_of_an_execution_is_that_of_this_computer(
        self, command: Commands, durable: Durable
    ) -> None:
        name, arn = command.shipped()
        document = command("show", f"orders/{name}", "--json").document
        durable("run", f"{CODE}:orders", "--input", "{}", "--name", "here")
        here = durable("show", "here", "--json").document
        assert list(document) == list(here)
        assert [list(each) for each in document["operations"]] == [
            list(each) for each in here["operations"]
        ]
        same = ("status", "result", "error", "input_payload", "waiting", "held", "forked_from")
        assert [document[each] for each in same] == [here[each] for each in same]
        assert document["durable_execution_arn"] == arn
        assert document["counts"] == {"invocations": 1, "operations": 1, "checkpoints": None}

    def test_the_cost_of_an_execution_is_estimated(self, command: Commands) -> None:
        name, _ = command.shipped()
        document = command("show", f"orders/{name}", "--cost", "--json").document
        assert document["durable_execution_name"] == name
        assert document["operations"]["metered"] > 1
        assert document["checkpoints"] is None
        assert document["dollars"]["total"] > 0
        shown = command("show", f"orders/{name}", "--cost")
        assert shown.code == 0, shown.err
        assert "not in a history" in shown.out

    def test_a_failure_is_shown_with_the_way_on(self, command: Commands) -> None:
        name, _ = command.failed()
        shown = command("show", f"orders/{name}", "--failed")
        assert "ValueError: no stock" in shown.out
        assert "charge" not in shown.out.partition("input:")[0]
        way = f"durable --endpoint {command.endpoint.url} fork orders/{name} --before reserve"
        assert way in shown.err

    def test_the_history_is_written(self, command: Commands) -> None:
        name, arn = command.failed()
        lines = command("history", f"orders/{name}").out.splitlines()
        events = command.endpoint.events(arn)
        assert [line.split()[2] for line in lines] == events
        failures = command("history", f"orders/{name}", "--failed").out.splitlines()
        assert all("no stock" in line for line in failures)
        assert command("history", f"orders/{name}", "--follow").code == 1
        document = command("history", f"orders/{name}", "--json").document
        assert document["DurableExecutionArn"] == arn
        assert [each["EventType"] for each in document["Events"]] == events

    def test_a_status_that_code_has_set_is_shown(self, command: Commands) -> None:
        name, _ = command.started("orders", {"tell": 1}, until=EventType.INVOCATION_COMPLETED)
        shown = command("show", f"orders/{name}")
        assert "status: parcels: 3 of 10 (30 %)" in shown.out
        document = command("show", f"orders/{name}", "--json").document
        assert document["custom_status"] == {"done": 3, "total": 10, "label": "parcels"}
        assert [each["name"] for each in document["operations"]] == ["charge", "rest"]
        (line,) = (
            line
            for line in command("history", f"orders/{name}").out.splitlines()
            if "StatusSet" in line
        )
        assert line.endswith('StatusSet                {"done":3,"total":10,"label":"parcels"}')

    def test_a_saved_history_is_replayed(
        self, command: Commands, durable: Durable, place: Path
    ) -> None:
        command.needs("whole histories")
        name, _ = command.failed()
        history = command("history", f"orders/{name}", "--json")
        (place / "history.json").write_text(history.out)
        assert durable("replay", f"{CODE}:orders", "history.json").code == 0

    def test_an_execution_is_watched_until_it_has_ended(
        self, command: Commands, place: Path
    ) -> None:
        name, _ = command.waiting()
        words = ("--endpoint", command.endpoint.url)
        with running(place, "watch", f"approvals/{name}", *words) as watching:
            watching.until("approve (Callback) waits")
            hint = watching.until("answer with: ")
            assert f"callback succeed approvals/{name}/approve --data JSON" in hint
            answered = command("callback", "succeed", f"approvals/{name}", "--data", '{"by": 1}')
            assert (answered.code, answered.out) == (0, "answered\n")
            watching.until("CallbackSucceeded")
            assert watching.end() == 0
        assert json.loads(watching.lines[-1]) == {"by": 1}
        assert watching.text.count("CallbackSucceeded") == 1

    def test_ctrl_c_ends_only_the_watching(self, command: Commands, place: Path) -> None:
        name, arn = command.waiting()
        words = ("--endpoint", command.endpoint.url)
        with running(place, "show", "--follow", f"approvals/{name}", *words) as watching:
            watching.until("answer with: ")
            watching.interrupt()
            assert watching.end() == 130
        assert command.endpoint.describe(arn).status == "RUNNING"

    def test_the_callbacks_that_wait_are_listed(self, command: Commands) -> None:
        name, arn = command.waiting()
        text = f"approvals/{name}/approve"
        assert text in command("callback", "list", "approvals").out
        (document,) = command("callback", "list", f"approvals/{name}", "--json").document
        assert (document["callback"], document["durable_execution_arn"]) == (text, arn)
        by_name = command("callback", "id", text).out.strip()
        assert by_name == document["callback_id"]
        if command.has("ARNs"):
            assert command("callback", "id", f"{arn}/approve").out.strip() == by_name
        assert command("callback", "id", by_name).out.strip() == by_name

    def test_a_callback_is_answered_by_its_id_with_a_failure(self, command: Commands) -> None:
        name, arn = command.waiting()
        id_ = command("callback", "id", f"approvals/{name}").out.strip()
        assert command("callback", "heartbeat", id_).out == "noted\n"
        answered = command("callback", "fail", id_, "--message", "too dear", "--type", "Refused")
        assert (answered.code, answered.out) == (0, "answered\n")
        command.endpoint.until(arn, EventType.EXECUTION_FAILED)
        watched = command("watch", f"approvals/{name}")
        assert watched.code == 1
        assert "too dear" in watched.out

    def test_a_callback_that_does_not_wait_is_told(self, command: Commands) -> None:
        name, arn = command.waiting()
        id_ = command("callback", "id", f"approvals/{name}").out.strip()
        refused = command("callback", "succeed", f"approvals/{name}/nope", "--data", "1")
        assert refused.code == 2
        assert f"has made these: approvals/{name}/approve" in refused.err
        assert command("callback", "succeed", id_, "--data", "1").code == 0
        command.endpoint.until(arn, EventType.EXECUTION_SUCCEEDED)
        refused = command("callback", "succeed", f"approvals/{name}/approve", "--data", "1")
        assert (refused.code, "was answered" in refused.err) == (2, True)

    def test_a_message_is_sent(self, command: Commands) -> None:
        name, arn = command.started("desk", until=EventType.INVOCATION_COMPLETED)
        refused = command("send", f"desk/{name}", "ticket", "1", "--timeout", "0.1")
        assert refused.code == 2
        assert "has not opened an inbox 'ticket'" in refused.err
        assert "it has opened 'tickets'" in refused.err
        assert command("callback", "list", f"desk/{name}").out.count("tickets") == 0
        reference = arn if command.has("ARNs") else f"desk/{name}"
        sent = command("send", reference, "tickets", "7", "--id", "mine")
        assert (sent.code, sent.out) == (0, "accepted: mine\n"), sent.err
        command.endpoint.until(arn, EventType.EXECUTION_SUCCEEDED)
        assert command.endpoint.describe(arn).result == "7"
        refused = command("send", f"desk/{name}", "tickets", "8")
        assert (refused.code, "has ended: it is SUCCEEDED" in refused.err) == (2, True)

    def test_an_execution_is_stopped_once(self, command: Commands) -> None:
        name, arn = command.waiting()
        stopped = command("stop", f"approvals/{name}", "--reason", "not needed")
        assert (stopped.code, stopped.out) == (0, f"{name} is STOPPED\n")
        described = command.endpoint.describe(arn)
        assert described.status == "STOPPED"
        assert described.error is not None
        if command.has("reason of a stop"):
            assert described.error.error_message == "not needed"
        again = command("stop", f"approvals/{name}")
        assert (again.code, again.out) == (0, f"{name} has ended already: STOPPED\n")
        assert command("watch", f"approvals/{name}").code == 1

    def test_an_execution_is_paused_and_resumed(self, command: Commands) -> None:
        name, arn = command.waiting()
        paused = command("pause", f"approvals/{name}", "--reason", "audit")
        if not command.has("pause"):
            assert paused.code == 2
            assert "the endpoint has no PauseDurableExecution" in paused.err
            resumed = command("resume", f"approvals/{name}")
            assert (resumed.code, "no ResumeDurableExecution" in resumed.err) == (2, True)
            return
        assert paused.out in {f"{name} is PAUSED\n", f"{name} is PAUSING\n"}
        assert command("callback", "succeed", arn, "--data", "1").code == 0
        resumed = command("resume", f"approvals/{name}", "--reason", "done")
        assert resumed.code == 0, resumed.err
        command.endpoint.until(arn, EventType.EXECUTION_SUCCEEDED)
        refused = command("pause", arn)
        assert (refused.code, "has ended: it is SUCCEEDED" in refused.err) == (2, True)

    def test_an_execution_is_forked(self, command: Commands) -> None:
        command.needs("forks")
        name, arn = command.failed()
        output = command("fork", f"orders/{name}", "--result", "reserve=1", "--json")
        assert output.code == 0, output.err
        forked = output.document
        assert forked["origin_arn"] == arn
        command.endpoint.until(forked["durable_execution_arn"], EventType.EXECUTION_SUCCEEDED)
        shown = command("show", forked["durable_execution_arn"])
        assert '"shipped"' in shown.out
        assert f"forked from {name}" in shown.out

    def test_what_is_not_there_is_told(self, command: Commands) -> None:
        name, arn = command.shipped()
        unknown = command("show", f"orders/{name}x")
        assert unknown.code == 2
        assert f"orders has no execution '{name}x' at {command.endpoint.url}" in unknown.err
        assert f"'{name}'" in unknown.err
        if command.has("ARNs"):
            gone = command("show", f"{arn[:-4]}0000")
            assert (gone.code, "there is no execution arn:" in gone.err) == (2, True)
        for words in (("show", "order"), ("stop", "orders/"), ("history", "orders/a/b")):
            refused = command(*words)
            assert (refused.code, "write FUNCTION/NAME" in refused.err) == (2, True)
