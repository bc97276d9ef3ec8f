"""Forks of executions at AWS, or at another endpoint of Lambda's API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial

from durable_execution_sdk.aws.control_plane import LambdaControlPlane
from durable_execution_sdk.cli.operation_references import named_in, operation_id, result_option
from durable_execution_sdk.cli.options import Endpoint
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.remote.endpoint import FunctionReference
from durable_execution_sdk.cli.remote.executions import EndpointError, ExecutionReference, reached
from durable_execution_sdk.cli.remote.rehearsal_process import RehearsalProcess
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.cli.user_code import split_target
from durable_execution_sdk.client.endpoint_connection import EndpointConnection, EndpointOptions
from durable_execution_sdk.client.fork import MadeFork, Plan, history_of, make_fork
from durable_execution_sdk.engine.views.progress import ExecutionProgress
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.fork.lineage import whole_history
from durable_execution_sdk.fork.seeding import execution_name
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.testing.cloud.progress import progress_of

__all__ = ["RemoteFork", "is_remote"]


def is_remote(name: str, store: str | None, at: Endpoint, function: str | None) -> bool:
    """Return ``True`` if a name means an execution at an endpoint: the store is asked first unless one is given."""
    if at.is_given:
        return True
    if ExecutionArn.read(name) is None and function is None:
        return False
    place = Place(store)
    if not place.path.exists():
        return True
    with place.existing() as emulator:
        return place.find(emulator, name) is None


class RemoteFork:
    """A fork of an execution at an endpoint, by its ARN, FUNCTION/NAME, or by its name and its function."""

    def __init__(self, at: Endpoint, name: str, function: str | None) -> None:
        self._is_named = at.is_given
        self._options = EndpointOptions(**at._asdict())
        if ExecutionArn.read(name) is None and "/" not in name and function is not None:
            # The execution is on any version; the qualifier is that of its fork.
            name = f"{FunctionReference(function).name}/{name}"
        self._reference = ExecutionReference(name)
        self._function = function

    def fork(
        self,
        before: str | None,
        payload: str | None,
        results: Sequence[str],
        code: str | None,
        *,
        stop: bool,
    ) -> tuple[str, MadeFork]:
        """Make the fork; return the ARN of its origin, and the fork. Raises ``Refusal`` and ``ServiceError``."""
        try:
            return asyncio.run(self._fork(before, payload, results, code, stop=stop))
        except EndpointError as error:
            if self._is_named:
                raise
            raise Refusal(
                f"{self._reference.text} is not in the store, so it would be at an endpoint of Lambda's API, but:"
                f" {error.message}"
            ) from error

    async def _fork(
        self,
        before: str | None,
        payload: str | None,
        results: Sequence[str],
        code: str | None,
        *,
        stop: bool,
    ) -> tuple[str, MadeFork]:
        async def ask(connection: EndpointConnection) -> tuple[str, MadeFork]:
            control = connection.control
            arn = (await self._reference.find(connection)).arn
            progress = await _progress(control, arn)
            try:
                return arn, await make_fork(
                    control,
                    arn,
                    function=self._function,
                    before=None if before is None else operation_id(progress, before),
                    payload=payload,
                    results=dict(result_option(progress, each) for each in results),
                    stop=stop,
                    rehearse=None if code is None else partial(_rehearsed, code),
                )
            except ConfigError as error:
                raise Refusal(named_in(str(error), progress)) from error

        actions = ("GetDurableExecution", "GetDurableExecutionHistory", "InvokeFunction")
        return await reached(
            self._options,
            self._reference,
            ask,
            verb="fork",
            actions=(*actions, "StopDurableExecution") if stop else actions,
        )


async def _progress(control: LambdaControlPlane, arn: str) -> ExecutionProgress:
    """Return the operations of an execution, with those that it has taken over if it is a fork itself."""
    described = await control.describe(arn, include_execution_data=False)
    lineage = whole_history(await history_of(control, arn), execution_name(arn))
    return progress_of(described, lineage.events, time.time_ns() // 1_000_000)


def _rehearsed(code: str, plan: Plan) -> str | None:
    """Return the reason for which the code in a file cannot go on with a fork."""
    file, wanted = split_target(code)
    process = RehearsalProcess(file, wanted)
    try:
        process.load()
        answer = process.rehearse(plan)
    finally:
        process.close()
    divergence = answer.divergence
    if divergence is None:
        return answer.fault
    place = "" if divergence.place is None else f" ({divergence.place})"
    return f"{file} would ask for {divergence.actual}{place}, where the history has {divergence.expected}"
