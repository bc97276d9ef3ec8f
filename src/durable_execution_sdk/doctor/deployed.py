"""A function as it is deployed, read at an endpoint of Lambda's API."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from durable_execution_sdk.aws.function_catalog import DeployedConfiguration
from durable_execution_sdk.client.endpoint_connection import EndpointConnection
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.doctor.template import LambdaFunction, Template
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.control_plane import ExecutionStatus, ListRequest
from durable_execution_sdk.protocol.error_codes import NOT_FOUND
from durable_execution_sdk.protocol.ids import ExecutionArn

__all__ = ["Deployed", "declared", "read_deployed"]

_OPEN = (ExecutionStatus.RUNNING, ExecutionStatus.PAUSING, ExecutionStatus.PAUSED)
_SKEWED = ("Signature expired", "Signature not yet current")


def _local_time() -> float:
    return time.time_ns() / 1e9


class Deployed(NamedTuple):
    """A deployed function. ``notes`` say what the endpoint did not tell.

    ``aliased`` are the versions that an alias stands for, ``open_executions`` counts by version; either is
    ``None`` if it is not known. ``skew`` is the local time less that of the endpoint, in seconds.
    """

    name: str
    configuration: DeployedConfiguration | None
    aliased: set[str] | None
    open_executions: dict[str, int] | None
    skew: float | None
    refused_signature: str | None
    declared: LambdaFunction | None
    notes: list[str]


async def read_deployed(
    connection: EndpointConnection,
    name: str,
    declared: LambdaFunction | None,
    now: Callable[[], float] = _local_time,
) -> Deployed:
    """Read a function and its open executions; ``now`` tells the time of this computer, in seconds.

    Raises ``ServiceError`` if the endpoint does not answer, or has no such function.
    """
    notes: list[str] = []
    before = now()
    try:
        configuration, date = await connection.functions.deployed(name)
    except ServiceError as error:
        if any(words in str(error) for words in _SKEWED):
            return Deployed(name, None, None, None, None, str(error), declared, notes)
        raise
    skew = _skew(date, (before + now()) / 2)
    if skew is None:
        notes.append(f"clock: {connection.url} does not tell its time")
    aliased = await _aliased(connection, name, notes)
    open_executions = None
    if configuration.durable_config is not None:
        open_executions = await _open_executions(connection, name, notes)
    return Deployed(name, configuration, aliased, open_executions, skew, None, declared, notes)


def _skew(date: str | None, now: float) -> float | None:
    """Return how far the local clock is ahead; the header has whole seconds, which are cut off."""
    if date is None:
        return None
    try:
        return now - (parsedate_to_datetime(date).timestamp() + 0.5)
    except (TypeError, ValueError, OverflowError):
        return None


async def _aliased(connection: EndpointConnection, name: str, notes: list[str]) -> set[str] | None:
    try:
        aliases = await connection.functions.aliases(name)
    except ServiceError as error:
        notes.append(_unavailable("aliases", connection, error))
        return None
    weights = [
        each.routing_config.additional_version_weights or {}
        for each in aliases
        if each.routing_config is not None
    ]
    return {each.function_version for each in aliases} | {key for each in weights for key in each}


async def _open_executions(
    connection: EndpointConnection, name: str, notes: list[str]
) -> dict[str, int] | None:
    counts: Counter[str] = Counter()
    request = ListRequest(function_name=name, statuses=[*_OPEN])
    try:
        async for execution in PacedReading(connection.control).executions(request):
            if execution.status in _OPEN:
                arn = ExecutionArn.read(execution.durable_execution_arn)
                counts[
                    execution.function_arn.rpartition(":")[2] if arn is None else arn.version
                ] += 1
    except ServiceError as error:
        notes.append(_unavailable("open executions", connection, error))
        return None
    return dict(counts)


def _unavailable(subject: str, connection: EndpointConnection, error: ServiceError) -> str:
    reason = "it is not there" if error.code == NOT_FOUND else str(error)
    return f"{subject}: not available at {connection.url}: {reason}"


def declared(template: Template, name: str) -> LambdaFunction | None:
    """Return the function of a template that is deployed under a name.

    CloudFormation makes a name of the stack's, the logical id and a suffix.
    """
    for function in template.functions.values():
        if template.value(function.properties.get("FunctionName")) == name:
            return function
    parts = name.split("-")
    by_id = [each for key, each in template.functions.items() if key == name or key in parts]
    if len(by_id) == 1:
        return by_id[0]
    return next(iter(template.functions.values())) if len(template.functions) == 1 else None
