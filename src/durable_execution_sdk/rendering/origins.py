"""The origin of a fork: of one that the emulator made, and of one that was made over the API."""

from __future__ import annotations

from durable_execution_sdk.engine.events import ForkOrigin
from durable_execution_sdk.fork.envelope import envelope_of
from durable_execution_sdk.fork.seeding import execution_name

__all__ = ["origin_of"]


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
