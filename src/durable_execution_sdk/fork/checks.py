"""Checks that a fork makes before anything is stopped or started: its target is there, and no such fork runs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.fork.seeding import execution_name
from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.protocol.control_plane import (
    CLOSED_STATUSES,
    ExecutionStatus,
    ExecutionSummary,
    InvocationType,
    InvokeRequest,
    ListRequest,
)
from durable_execution_sdk.protocol.error_codes import NOT_FOUND
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.ids import ExecutionArn

__all__ = ["check_no_other_fork", "check_target", "forks_named", "stopped_for"]

_STOPPED_FOR = "Forked"
_FORK_NAME = re.compile(r"fork-[0-9a-f]{56}")
_FORBIDDEN = 403


def stopped_for(name: str) -> ErrorObject:
    """Return the error with which an execution is stopped for the fork with this name."""
    return ErrorObject(
        error_type=_STOPPED_FOR, error_message=f"stopped to be replaced by its fork {name}"
    )


async def check_target(control: ControlPlane, function: str, name: str) -> None:
    """Raise ``ConfigError`` if the service would refuse to start the fork with this name on a function."""
    try:
        await control.invoke(
            InvokeRequest(
                function_name=function,
                invocation_type=InvocationType.DRY_RUN,
                durable_execution_name=name,
            )
        )
    except ServiceError as error:
        # An endpoint without this kind of call refuses it with another code: there the start will tell.
        if error.code == NOT_FOUND or error.status == _FORBIDDEN:
            raise ConfigError(
                f"the fork cannot be started on {function}: {error.message.rstrip('.')}. Nothing was stopped or started"
            ) from error


async def forks_named(
    control: ControlPlane, functions: Iterable[str], name: str
) -> list[ExecutionSummary]:
    """Return the executions of functions with this name; none if the caller may not list them."""
    found: list[ExecutionSummary] = []
    for function in dict.fromkeys(_unqualified(each) for each in functions):
        request = ListRequest(function_name=function, durable_execution_name=name)
        try:
            page = await control.list_executions(request)
        except ServiceError as error:
            if error.status != _FORBIDDEN and error.code != NOT_FOUND:
                raise
        else:
            # An endpoint that does not filter by name answers with others, too.
            found += [
                each for each in page.durable_executions if each.durable_execution_name == name
            ]
    return found


async def check_no_other_fork(control: ControlPlane, arn: str, target: str, name: str) -> None:
    """Raise ``ConfigError`` if the execution was stopped for another fork than ``name``, and that one runs."""
    described = await control.describe(arn)
    error = described.error
    if (
        described.status != ExecutionStatus.STOPPED
        or error is None
        or error.error_type != _STOPPED_FOR
    ):
        return
    match = _FORK_NAME.search(error.error_message or "")
    if match is None or match[0] == name:
        return
    parts = ExecutionArn.read(arn)
    own = described.function_arn if parts is None else parts.function_arn
    for each in await forks_named(control, [own, target], match[0]):
        if each.status not in CLOSED_STATUSES:
            raise ConfigError(
                f"{execution_name(arn)} was stopped for its fork {match[0]}, which is {each.status}: both forks would"
                f" go on. Fork that one, {each.durable_execution_arn}, with --stop (stop=True), or stop it first"
            )


def _unqualified(function: str) -> str:
    head, mark, tail = function.rpartition(":function:")
    return f"{head}{mark}{tail.partition(':')[0]}"
