"""The log of a fork, in each of its invocations. Loaded by executions that are named like forks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from durable_execution_sdk.fork.seeding import seeded
from durable_execution_sdk.ports import DataPlane
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.runtime.log import Journal
from durable_execution_sdk.runtime.settings import Invoked

__all__ = ["log_of_fork"]


async def log_of_fork(
    plane: DataPlane,
    invoked: Invoked,
    named_by: str,
    operations: Sequence[Operation],
    updated_ids: Iterable[str],
    ends_at: float | None,
) -> tuple[DataPlane, Invoked, Journal | None] | None:
    """Return the log of a fork, with its data plane and the token to go on with; ``None`` if the execution is no fork.

    There is no log if the service has paused the fork while it took over its origin's history. ``named_by`` is the
    ARN whose name tells a fork, ``ends_at`` the monotonic time at which the invocation has to be over.
    """
    fork = await seeded(plane, invoked.arn, named_by, invoked.token, operations, ends_at)
    if fork is None:
        return None
    if fork.token is None:
        return plane, invoked, None
    # If the answer to their checkpoint was lost, the service names them as changed. That is no sign of a suspension.
    news = [each for each in updated_ids if each not in fork.own_ids]
    journal = Journal(invoked.arn, fork.operations, news)
    journal.seed = fork.first_arn
    journal.forked_at = fork.forked_at
    journal.in_doubt = fork.in_doubt
    journal.has_new_input = fork.has_new_input
    return fork.plane, replace(invoked, token=fork.token), journal
