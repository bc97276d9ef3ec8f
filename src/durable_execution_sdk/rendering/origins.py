"""The executions that one comes from and goes to: the origin of a fork, and those before and after it in a chain.

A fork is one that the emulator made, or that was made over the API. In a chain each execution went on as the next
(``ctx.continue_as_new``); the pointer to that is its result, and ``emulator.steering.chains`` finds the one before.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.steering.chains import continued_by
from durable_execution_sdk.engine.events import ForkOrigin
from durable_execution_sdk.fork.envelope import envelope_of
from durable_execution_sdk.fork.seeding import execution_name
from durable_execution_sdk.protocol.continuation import (
    Continuation,
    base_name,
    continuation_of,
    next_name,
)
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.ids import ExecutionArn

__all__ = [
    "continued_as",
    "continues",
    "name_in",
    "next_in_store",
    "origin_of",
    "went_on_as",
    "went_on_text",
]

# An execution continues the same one for ever.
_FOUND: WeakKeyDictionary[Emulator, dict[str, str]] = WeakKeyDictionary()


def origin_of(arn: str, recorded: ForkOrigin | None, payload: str | None) -> ForkOrigin | None:
    """Return the origin of an execution with this input; ``None`` if it is no fork.

    ``recorded`` is that which the emulator's log has. A fork that was made over the API has it in its input.
    """
    if recorded is not None:
        return recorded
    envelope = envelope_of(execution_name(arn), payload)
    if envelope is None:
        return None
    return ForkOrigin(
        arn=envelope.arn, before=envelope.before, before_name=None, first_arn=envelope.first_arn
    )


def continued_as(emulator: Emulator, arn: str) -> Continuation | None:
    """Return the execution as which one went on; ``None`` if it did not."""
    return continuation_of(arn, emulator.describe(arn).result)


def continues(emulator: Emulator, arn: str) -> str | None:
    """Return the ARN of the execution that went on as this one; ``None`` if there is none in the store."""
    parts = ExecutionArn.read(arn)
    if parts is None or base_name(parts.execution_name) is None:
        return None
    found = _FOUND.setdefault(emulator, {})
    before = found.get(arn)
    if before is None:
        before = continued_by(emulator.store, parts.function_name, parts.execution_name)
        if before is not None:
            found[arn] = before
    return before


def next_in_store(emulator: Emulator, arn: str) -> str | None:
    """Return the ARN of the execution as which one went on, if the store has it."""
    if not emulator.is_closed(arn):
        return None
    continuation = continued_as(emulator, arn)
    return None if continuation is None else emulator.find_name(continuation.name)


def went_on_as(emulator: Emulator, arn: str, status: str) -> str | None:
    """Return the name under which an execution with this status went on, without reading its result."""
    if status != ExecutionStatus.SUCCEEDED:
        return None
    name = next_name(arn)
    return None if emulator.store.find_name(name) is None else name


def name_in(arn: str) -> str:
    """Return the name in an execution's ARN; the ARN, if it is of a form without names."""
    parts = ExecutionArn.read(arn)
    return arn if parts is None else parts.execution_name


def went_on_text(following: str | None) -> str:
    """Write under which name an execution went on; nothing if it did not."""
    return "" if following is None else f"went on as {following}"
