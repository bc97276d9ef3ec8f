"""The real engine on a virtual clock, for running workflows in tests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from durable_execution_sdk import durable_execution
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.driver import Driver, Ending
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.protocol.continuation import continuation_of, next_name
from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    HistoryRequest,
    InvocationType,
    InvokeRequest,
)
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.limits import LONGEST_INVOCATION_SECONDS


@dataclass
class Ran:
    """Outcome of an execution."""

    arn: str
    status: str
    result: Any
    error: Any
    events: list[HistoryEvent]
    ending: Ending

    def types(self) -> list[str]:
        return [event.event_type for event in self.events]

    @property
    def invocations(self) -> int:
        return self.types().count("InvocationCompleted")


@dataclass
class Rig:
    """An emulator with the durable function ``workflow``, and others by name."""

    handler: Any
    others: dict[str, Any] = field(default_factory=dict)
    plain: dict[str, Any] = field(default_factory=dict)
    limits: Limits = DEFAULT_LIMITS
    wrappers: Wrappers = field(default_factory=Wrappers)
    execution_timeout: int | None = None
    timeout: float = LONGEST_INVOCATION_SECONDS

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.store = MemoryStore()
        functions = Functions()
        options: dict[str, Any] = {"timeout": self.timeout}
        if self.execution_timeout is not None:
            options["execution_timeout"] = self.execution_timeout
        functions.add_durable("workflow", self.handler.bind, **options)
        for name, handler in self.others.items():
            functions.add_durable(name, handler.bind)
        for name, function in self.plain.items():
            functions.add_plain(name, function)
        self.emulator = Emulator(self.store, self.clock, functions, limits=self.limits)
        self.driver = Driver(self.emulator, wrappers=self.wrappers)

    def start(self, event: Any = None, name: str | None = None) -> str:
        return self.emulator.start(
            InvokeRequest(
                function_name="workflow:$LATEST",
                payload=json.dumps(event).encode(),
                invocation_type=InvocationType.EVENT,
                durable_execution_name=name,
            )
        )

    def drive(self, arn: str, until: int | None = None) -> Ran:
        ending = self.driver.run_until_closed(arn, until=until)
        return self.ran(arn, ending)

    def ran(self, arn: str, ending: Ending = Ending.DONE) -> Ran:
        described: ExecutionDescription = self.emulator.describe(arn)
        result = described.result
        return Ran(
            arn=arn,
            status=described.status,
            result=self._next_one(arn, result) or (None if not result else json.loads(result)),
            error=described.error,
            events=self.events(arn),
            ending=ending,
        )

    def _next_one(self, arn: str, result: str | None) -> Any:
        """Return the input of the execution as which this one went on, which has random parts in its ARN."""
        continuation = continuation_of(arn, result)
        if continuation is None:
            return None
        assert continuation.name == next_name(arn)
        if continuation.arn is None:
            return {"goes on as": continuation.name}
        following = self.emulator.describe(continuation.arn)
        assert following.durable_execution_name == continuation.name
        return {"goes on with": json.loads(following.input_payload or "")}

    def events(self, arn: str) -> list[HistoryEvent]:
        events: list[HistoryEvent] = []
        marker: str | None = None
        while True:
            page = self.emulator.history(
                HistoryRequest(durable_execution_arn=arn, marker=marker, max_items=1000)
            )
            events.extend(page.events)
            marker = page.next_marker
            if not marker:
                return events

    def run(self, event: Any = None) -> Ran:
        return self.drive(self.start(event))


def rig_of(workflow: Any, *, options: dict[str, Any] | None = None, **rig: Any) -> Rig:
    """Return a rig for an undecorated workflow; ``options`` are those of ``durable_execution``."""
    return Rig(durable_execution(**(options or {}))(workflow), **rig)


def run_workflow(workflow: Any, event: Any = None, **rig: Any) -> Ran:
    """Run an undecorated workflow to its end, or for a simulated day if it does not end."""
    instance = rig_of(workflow, **rig)
    return instance.drive(instance.start(event), until=instance.clock.now() + 86_400_000)
