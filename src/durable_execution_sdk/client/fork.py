"""Fork an execution: start another one that has done what it had done by a moment.

The new execution's handler does the work (``fork.seeding``). What it would refuse is refused here already, where the
caller sees it, before anything is stopped or started.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from durable_execution_sdk.client.function_ref import is_qualified
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.fork.checks import (
    check_no_other_fork,
    check_target,
    forks_named,
    stopped_for,
)
from durable_execution_sdk.fork.envelope import Envelope, envelope_of
from durable_execution_sdk.fork.lineage import Lineage, whole_history
from durable_execution_sdk.fork.seeding import execution_name
from durable_execution_sdk.fork.taken_over import taken_over
from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.protocol.control_plane import (
    CLOSED_STATUSES,
    ExecutionDescription,
    HistoryPage,
    HistoryRequest,
    InvocationType,
    InvokeRequest,
)
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.limits import MAX_PAGE_ITEMS, MAX_PAYLOAD_BYTES
from durable_execution_sdk.protocol.updates import text_bytes

__all__ = ["Histories", "MadeFork", "Plan", "Rehearse", "fork", "history_of", "make_fork"]


class Plan(Struct, frozen=True, kw_only=True):
    """A fork that can be made: its envelope, its function, and the whole history that it begins with."""

    envelope: Envelope
    function: str
    lineage: Lineage


class MadeFork(Struct, frozen=True, kw_only=True):
    """The ARN of a fork; ``is_new`` is false for one that the same request has made before, and that is still open."""

    arn: str
    is_new: bool


Rehearse = Callable[[Plan], str | None]
"""Returns the reason for which code at hand cannot go on from there, ``None`` if it can."""


async def fork(
    control: ControlPlane,
    arn: str,
    *,
    function: str | None = None,
    before: str | None = None,
    payload: str | None = None,
    results: Mapping[str, str] | None = None,
    stop: bool = False,
    rehearse: Rehearse | None = None,
) -> str:
    """Fork an execution, and return the ARN of the fork. Open what it had open is begun anew; it stays as it is.

    A call that is repeated while its fork is open returns the same fork: its name follows from the origin, the
    function, the cut, the input and the results. The caller needs permission for ``lambda:GetDurableExecution``,
    ``GetDurableExecutionHistory``, ``InvokeFunction``, ``ListDurableExecutionsByFunction`` (without it, a repeated
    call makes another fork) and, with ``stop``, ``StopDurableExecution``; the role of the function needs
    ``lambda:GetDurableExecutionHistory``.

    Args:
        control: the service.
        arn: the execution to fork.
        function: the name or ARN of the function that runs the fork, with a version or an alias; by default the
            function and the version of the execution.
        before: the id of the operation that the fork does anew, with everything recorded after it; without one, the
            fork has all that has ended.
        payload: another input, as JSON text.
        results: other results by operation id, as the text that the operation would record. An operation that is open
            or has failed succeeds with it.
        stop: stop the execution if it runs. Without it, one that runs is refused: both would go on.
        rehearse: tries the code at hand on the fork, before anything is stopped or started.

    Raises:
        ConfigError: the fork cannot be made; the message gives the reason.
        ServiceError: the service refused a call.
    """
    made = await make_fork(
        control,
        arn,
        function=function,
        before=before,
        payload=payload,
        results=results,
        stop=stop,
        rehearse=rehearse,
    )
    return made.arn


async def make_fork(
    control: ControlPlane,
    arn: str,
    *,
    function: str | None = None,
    before: str | None = None,
    payload: str | None = None,
    results: Mapping[str, str] | None = None,
    stop: bool = False,
    rehearse: Rehearse | None = None,
) -> MadeFork:
    """Fork an execution as ``fork`` does; tell also if the fork is new."""
    _check_texts(payload, results or {})
    described = await control.describe(arn, include_execution_data=False)
    is_open = described.status not in CLOSED_STATUSES
    if is_open and not stop:
        raise ConfigError(
            f"{described.durable_execution_name} is {described.status}: it and its fork would both go on, and do"
            " what follows twice. Stop it first, or with the fork (--stop, stop=True)"
        )
    target = _qualified(function, described)
    envelope = Envelope(
        arn=arn,
        first_arn=arn,
        nonce=blake2b(target.encode(), digest_size=8).hexdigest(),
        before=before,
        input=payload,
        results=dict(results or {}),
    )
    plan = await _plan(control, envelope, target)
    like_it = await forks_named(control, [target], plan.envelope.name)
    running = next((each for each in like_it if each.status not in CLOSED_STATUSES), None)
    if running is not None:
        if is_open:
            # The fork was started after a stop that is not seen yet, or that failed.
            await control.stop(arn, stopped_for(plan.envelope.name))
        return MadeFork(arn=running.durable_execution_arn, is_new=False)
    if like_it:
        # The name of a fork that has ended would stand for that one.
        plan = await _plan(control, replace(envelope, nonce=os.urandom(8).hex()), target)
    await check_no_other_fork(control, arn, target, plan.envelope.name)
    await check_target(control, target, plan.envelope.name)
    reason = None if rehearse is None else rehearse(plan)
    if reason is not None:
        raise ConfigError(
            f"the code at hand cannot go on from there: {reason}. Nothing was stopped or started"
        )
    if not is_open:
        return MadeFork(arn=await _start(control, plan), is_new=True)
    await control.stop(arn, stopped_for(plan.envelope.name))
    try:
        # More may have been recorded in the meantime.
        plan = await _plan(control, plan.envelope, target)
        return MadeFork(arn=await _start(control, plan), is_new=True)
    except (ConfigError, ServiceError) as problem:
        raise ConfigError(
            f"{described.durable_execution_name} was stopped, and the start of its fork {plan.envelope.name} failed:"
            f" {problem}. Its history is kept: correct that, and fork it again"
        ) from problem


class Histories(Protocol):
    """The part of a control plane that reads histories."""

    async def history(self, request: HistoryRequest) -> HistoryPage:
        """Read a page of an execution's events."""
        ...


async def history_of(
    control: Histories, arn: str, *, include_data: bool = True
) -> list[HistoryEvent]:
    """Return all events of an execution, with their data or without it."""
    events: list[HistoryEvent] = []
    marker: str | None = None
    while True:
        page = await control.history(
            HistoryRequest(
                durable_execution_arn=arn,
                include_execution_data=include_data,
                marker=marker,
                max_items=MAX_PAGE_ITEMS,
            )
        )
        events += page.events
        if not page.next_marker:
            break
        if page.next_marker == marker:
            raise ConfigError(f"the history of {arn} has no end: a marker came twice")
        marker = page.next_marker
    if not events or events[0].execution_started_details is None:
        raise ConfigError(f"the history of {arn} does not begin with ExecutionStarted")
    return events


async def _start(control: ControlPlane, plan: Plan) -> str:
    started = await control.invoke(
        InvokeRequest(
            function_name=plan.function,
            payload=plan.envelope.payload.encode(),
            invocation_type=InvocationType.EVENT,
            durable_execution_name=plan.envelope.name,
        )
    )
    if started.durable_execution_arn is None:
        raise ConfigError(
            f"{plan.function} is no durable function: the service did not start an execution, but called it"
        )
    return started.durable_execution_arn


async def _plan(control: ControlPlane, envelope: Envelope, function: str) -> Plan:
    """Check that the fork can be made; give it the first ARN of the lineage."""
    own = await history_of(control, envelope.arn)
    name = execution_name(envelope.arn)
    lineage = whole_history(own, name)
    origin = envelope_of(name, _input(own))
    if origin is not None:
        envelope = replace(envelope, first_arn=origin.first_arn)
    size = text_bytes(envelope.payload)
    if size > MAX_PAYLOAD_BYTES:
        raise ConfigError(
            f"the input and the results that the fork is to have are passed on as the text of its input, which has"
            f" {size} bytes; the service takes {MAX_PAYLOAD_BYTES}: give smaller ones, or keep large data elsewhere and"
            " give its address"
        )
    taken_over(lineage, envelope)
    return Plan(envelope=envelope, function=function, lineage=lineage)


def _check_texts(payload: str | None, results: Mapping[str, str]) -> None:
    texts = {f"the result of operation {each}": text for each, text in results.items()}
    if payload is not None:
        texts["the input of a fork"] = payload
    for label, text in texts.items():
        given: object = text
        if not isinstance(given, str):
            raise ConfigError(
                f"{label} is given as a JSON text, as json.dumps(value) makes it, not as {given!r}"
            )
        try:
            given.encode()
        except UnicodeEncodeError as error:
            raise ConfigError(f"{label} cannot be written as UTF-8: {error}") from error
    try:
        if payload is not None:
            msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ConfigError(
            f"the input of a fork is the text of a JSON value, and this is none: {error}"
        ) from error


def _input(events: Sequence[HistoryEvent]) -> str | None:
    details = events[0].execution_started_details
    return None if details is None else details.input.payload


def _qualified(function: str | None, described: ExecutionDescription) -> str:
    """Return the function of the fork, with its version or alias; that of the execution by default."""
    if function is None:
        parts = ExecutionArn.read(described.durable_execution_arn)
        return described.function_arn if parts is None else parts.function_arn
    if not is_qualified(function):
        raise ConfigError(
            f"the function {function!r} lacks a version or an alias, which durable functions are started with:"
            f" write {function}:1, {function}:live or {function}:$LATEST"
        )
    return function
