"""New executions made from recorded ones: forks, and repetitions from the beginning."""

from __future__ import annotations

from collections.abc import Mapping

from durable_execution_sdk.emulator.coordinator import Coordinator
from durable_execution_sdk.emulator.ids import Ids
from durable_execution_sdk.emulator.stores.store import NameTakenError
from durable_execution_sdk.engine.commands import StartExecution
from durable_execution_sdk.engine.execution_time import ExecutionTime
from durable_execution_sdk.engine.fork import forked_events
from durable_execution_sdk.engine.rejections import already_started
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.limits import MAX_EXECUTION_NAME_CHARACTERS

_SUFFIX_CHARACTERS = 8


def fork(
    coordinator: Coordinator,
    ids: Ids,
    secret: str,
    arn: str,
    *,
    before: str | None,
    payload: str | None,
    results: Mapping[str, str] | None,
    name: str | None,
) -> str:
    """Add a fork of an execution (``engine.fork``); return its ARN."""
    with coordinator.holding():
        events = coordinator.events(coordinator.state(arn).arn)
        new_arn = _new_arn(coordinator, arn, name, "fork", ids)
        forked = forked_events(
            events,
            new_arn,
            coordinator.clock.now(),
            before=before,
            payload=payload,
            results=results,
            secret=secret,
        )
        try:
            return coordinator.add(forked).arn
        except NameTakenError:
            raise already_started(f"The name of {new_arn} exists; use another name.") from None


def rerun(
    coordinator: Coordinator,
    ids: Ids,
    arn: str,
    *,
    payload: str | None,
    name: str | None,
    time: ExecutionTime,
) -> str:
    """Start an execution of the same function version, with the same input unless another is given."""
    with coordinator.holding():
        state = coordinator.state(arn)
        started = coordinator.start(
            StartExecution(
                arn=_new_arn(coordinator, arn, name, "rerun", ids),
                input=state.input if payload is None else payload,
                execution_timeout=state.execution_timeout,
                retention=state.retention,
                function_arn=state.function_arn,
                tenant_id=state.tenant_id,
                time=time,
            )
        )
        return started.arn


def _new_arn(coordinator: Coordinator, arn: str, name: str | None, suffix: str, ids: Ids) -> str:
    """Return an ARN for another execution of the same function; refuse a name that exists."""
    parts = ExecutionArn.parse(arn)
    if name is None:
        ending = f"-{suffix}-{ids().replace('-', '')[-_SUFFIX_CHARACTERS:]}"
        room = MAX_EXECUTION_NAME_CHARACTERS - len(ending)
        name = f"{parts.execution_name[:room]}{ending}"
    existing = coordinator.store.find_name(name)
    if existing is not None:
        raise already_started(f"The name {name!r} belongs to {existing.arn}; use another name.")
    return f"{parts.function_arn}/durable-execution/{name}/{ids()}"
