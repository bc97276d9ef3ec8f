"""The rules as three functions: decide what a command means, fold it in, and say what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from durable_execution_sdk.engine.commands import Command
from durable_execution_sdk.engine.effects import Effect
from durable_execution_sdk.engine.events import Event
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.engine.state import ExecutionState


def decide(
    state: ExecutionState | None, command: Command, now: int, limits: Limits = DEFAULT_LIMITS
) -> list[Event]:
    """The events that a command leads to, none if it changes nothing; ``Rejected`` if it may not be.

    When a deadline has passed, send ``Tick`` first: a command does not let time catch up.
    """
    raise NotImplementedError


def evolve(state: ExecutionState | None, event: Event) -> ExecutionState:
    """Fold one event in. The state given may be changed and returned; it is the caller's to own."""
    raise NotImplementedError


def effects(state: ExecutionState, events: Sequence[Event]) -> list[Effect]:
    """What to do once ``events`` are stored and ``state`` is the state after them."""
    raise NotImplementedError


def outstanding_effects(state: ExecutionState) -> list[Effect]:
    """What may still have to be done when an execution is loaded: every effect that could be lost."""
    raise NotImplementedError


def may_reuse_name(existing: ExecutionState | None, payload: str, now: int) -> bool:
    """Whether a name is free for a new execution; if not, the existing one is what was asked for.

    ``Rejected`` when the name belongs to an execution with another input.
    """
    raise NotImplementedError
