"""The arguments that steps are given, each time that workflow code asks for them.

The log does not hold them. Code that gives a recorded step other arguments on replay takes the result of
one thing for that of another, and nothing else would tell: names and results stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from typing import Any

import msgspec

from durable_execution_sdk.operations.step import Step

__all__ = ["Arguments", "Regiven"]

_LONGEST = 200


class Regiven(msgspec.Struct, frozen=True):
    """A step that replay gives other arguments than it was given first.

    ``is_swapped``: these are now given to another step of the same name.
    """

    operation_id: str
    label: str
    first: str
    now: str
    is_swapped: bool

    def __str__(self) -> str:
        """A sentence for reports."""
        places = ", and another one of this name is given those" if self.is_swapped else ""
        return (
            f"{self.label} was given {self.first} when it was asked for first, and {self.now} on"
            f" replay{places}"
        )


class _Asked(msgspec.Struct, frozen=True):
    label: str
    given: str


class Arguments:
    """The arguments of one execution's steps, by invocation and operation id."""

    def __init__(self) -> None:
        self._invocations: list[dict[str, _Asked]] = []
        # A step that has just been asked for does not know its arguments yet.
        self._newest: Step[Any] | None = None

    def begin(self) -> None:
        """Take note that an invocation begins."""
        self._settle()
        self._invocations.append({})

    def take(self, claimant: object) -> None:
        """Take note that workflow code asks for something."""
        self._settle()
        if isinstance(claimant, Step):
            self._newest = claimant

    def first(self) -> dict[str, str]:
        """The arguments that each step was given when it was asked for first, by operation id."""
        self._settle()
        return {
            operation_id: asked.given
            for invocation in reversed(self._invocations)
            for operation_id, asked in invocation.items()
        }

    @property
    def by_invocation(self) -> list[dict[str, str]]:
        """The arguments of each invocation, by operation id."""
        self._settle()
        return [{key: asked.given for key, asked in each.items()} for each in self._invocations]

    def regiven(self) -> list[Regiven]:
        """The steps that were given other arguments later, each once."""
        return list({each.operation_id: each for each in self._changes()}.values())

    def _changes(self) -> Iterator[Regiven]:
        first = self.first()
        for invocation in self._invocations:
            changed = {
                operation_id: asked
                for operation_id, asked in invocation.items()
                if asked.given != first[operation_id]
            }
            arrived = {(asked.label, asked.given) for asked in changed.values()}
            for operation_id, asked in changed.items():
                was = first[operation_id]
                # Its arguments now stand at another step, which had others, or none, before.
                is_swapped = (asked.label, was) in arrived or any(
                    other.label == asked.label
                    and other.given == was
                    and operation_id != other_id
                    and self._invocations[0].get(other_id) is None
                    for other_id, other in invocation.items()
                )
                yield Regiven(operation_id, asked.label, was, asked.given, is_swapped)

    def _settle(self) -> None:
        step, self._newest = self._newest, None
        # A step that was refused as it was asked for has none.
        if step is not None and self._invocations and hasattr(step, "given"):
            given = _text(_unwrapped(step.given))
            self._invocations[-1].setdefault(step.operation_id, _Asked(step.label, given))


def _unwrapped(given: tuple[Any, tuple[Any, ...]]) -> tuple[Any, ...]:
    """The arguments of a call, those that ``functools.partial`` holds among them."""
    function, args = given
    if isinstance(function, partial):
        return _unwrapped((function.func, (*function.args, *args))) + tuple(
            function.keywords.items()
        )
    return args


def _text(arguments: tuple[Any, ...]) -> str:
    """The arguments as text that is the same in each process; objects stand there by their type."""
    try:
        text = ", ".join(_encoded(each) for each in arguments) or "nothing"
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
