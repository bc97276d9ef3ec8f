"""The arguments of steps in each invocation, to compare them between invocations.

The log does not record arguments. Code that passes other arguments to a recorded step on replay gets
the result of another call, and no other check can notice: the step's name and result are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from hashlib import blake2b

import msgspec

from durable_execution_sdk.operations.step import Step

__all__ = ["Arguments", "ChangedArguments"]

_LONGEST = 200


class ChangedArguments(msgspec.Struct, frozen=True):
    """A step that got other arguments in a later invocation.

    ``is_swapped``: another step of the same name now gets the first arguments.
    """

    operation_id: str
    label: str
    first: str
    now: str
    is_swapped: bool

    def __str__(self) -> str:
        """Write a sentence for reports."""
        places = ", and another one of this name is given those" if self.is_swapped else ""
        return (
            f"{self.label} was given {self.first} when it was asked for first, and {self.now} on"
            f" replay{places}"
        )


class _StepCall(msgspec.Struct, frozen=True):
    label: str
    given: str


class Arguments:
    """The arguments of one execution's steps, by invocation and operation id."""

    def __init__(self) -> None:
        self._invocations: list[dict[str, _StepCall]] = []
        # The arguments of the newest step are read later: at its claim they are not set yet.
        self._newest: Step[object] | None = None

    def begin(self) -> None:
        """Begin the record of an invocation."""
        self._record_newest()
        self._invocations.append({})

    def take(self, claimant: object) -> None:
        """Record an operation that the workflow code asks for."""
        self._record_newest()
        if isinstance(claimant, Step):
            self._newest = claimant

    def first(self) -> dict[str, str]:
        """Return the first arguments of each step, by operation id."""
        self._record_newest()
        return {
            operation_id: call.given
            for invocation in reversed(self._invocations)
            for operation_id, call in invocation.items()
        }

    @property
    def by_invocation(self) -> list[dict[str, str]]:
        """The arguments of each invocation, by operation id."""
        self._record_newest()
        return [
            {key: call.given for key, call in invocation.items()}
            for invocation in self._invocations
        ]

    def changed_arguments(self) -> list[ChangedArguments]:
        """Return the steps that got other arguments later, each once."""
        return list({change.operation_id: change for change in self._changes()}.values())

    def _changes(self) -> Iterator[ChangedArguments]:
        first = self.first()
        for invocation in self._invocations:
            changed = {
                operation_id: call
                for operation_id, call in invocation.items()
                if call.given != first[operation_id]
            }
            arrived = {(call.label, call.given) for call in changed.values()}
            for operation_id, call in changed.items():
                first_text = first[operation_id]
                # Another step of this name, with other arguments or none before, has the first ones now.
                is_swapped = (call.label, first_text) in arrived or any(
                    other_call.label == call.label
                    and other_call.given == first_text
                    and operation_id != other_id
                    and self._invocations[0].get(other_id) is None
                    for other_id, other_call in invocation.items()
                )
                yield ChangedArguments(operation_id, call.label, first_text, call.given, is_swapped)

    def _record_newest(self) -> None:
        step, self._newest = self._newest, None
        # A step that failed its claim has no arguments.
        if step is not None and self._invocations and hasattr(step, "given"):
            text = _text(_unwrapped(step.given))
            self._invocations[-1].setdefault(step.operation_id, _StepCall(step.label, text))


def _unwrapped(call: tuple[object, tuple[object, ...]]) -> tuple[object, ...]:
    """Return the arguments of a call, with those bound by ``functools.partial``."""
    function, args = call
    if isinstance(function, partial):
        return _unwrapped((function.func, (*function.args, *args))) + tuple(
            function.keywords.items()
        )
    return args


def _text(arguments: tuple[object, ...]) -> str:
    """Write arguments as text that is equal in every process; objects appear as their type."""
    try:
        text = ", ".join(_encoded(argument) for argument in arguments) or "nothing"
    except Exception:
        return "arguments that cannot be compared"
    if len(text) <= _LONGEST:
        return text
    digest = blake2b(text.encode(), digest_size=6).hexdigest()
    return f"{text[:_LONGEST]}... ({digest})"


def _encoded(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=_by_type, order="deterministic").decode()


def _by_type(value: object) -> str:
    return f"<{type(value).__qualname__}>"
