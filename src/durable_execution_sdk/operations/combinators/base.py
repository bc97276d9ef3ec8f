"""The base class of the combinators, which wait for operations that run already.

Each is a STEP of its own. It records only its decision: the operand that won, or those that failed.
Values and errors are those of the operands, which have records of their own. So the log fixes the
outcome and holds nothing twice. On replay an outcome is due once the ends of its operands are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, TypeVar

import msgspec
from msgspec import Struct

from durable_execution_sdk.errors import DeterminismError, OperationError
from durable_execution_sdk.operations.lifecycle import DurableOperation
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    Operation,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.protocol.updates import OperationAction
from durable_execution_sdk.runtime.completions.completion import operation_of
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.error_objects import capture

__all__ = ["Combination", "Decision", "Operand", "error_from", "failed"]

_T = TypeVar("_T")

Operand = asyncio.Future[Any]


class Decision(Struct, frozen=True, omit_defaults=True):
    """The payload of a combinator: the number of operands, the index of the winner, those of failures."""

    of: int
    first: int | None = None
    failed: list[int] = []


class Combination(DurableOperation[_T]):
    """The operation of a combinator."""

    __slots__ = ("_is_decided", "_left", "cancels_losers", "operands", "own")

    kind = OperationType.STEP
    # True if operands may fail before the one that wins.
    is_past_failures: ClassVar[bool] = False

    def __init__(
        self,
        scope: IdScope,
        operands: Sequence[Operand],
        name: str,
        *,
        cancel_losers: bool,
        own: Sequence[Operand],
    ) -> None:
        super().__init__(scope, name, OperationSubType.STEP)
        self.operands = operands
        # The tasks among the operands that were made for this combinator, so that no code sees their values.
        self.own = own
        self.cancels_losers = cancel_losers
        self._left = len(operands)
        self._is_decided = False
        record = self.record
        if self.is_void and record is None:
            return
        if record is not None and record.status in TERMINAL_STATUSES:
            self.complete(record)
            for operand in operands:
                if not isinstance(operand, Handle):
                    operand.add_done_callback(_seen, context=sdk_context())
            return
        if record is None:
            self.leave_behind(self.update(OperationAction.START))
        for operand in operands:
            operand.add_done_callback(self._operand_done, context=sdk_context())
        if not operands:
            self.succeed(Decision(of=0))

    def decide(self, operand: Operand) -> None:
        """Call ``succeed`` or ``fail`` if this operand, which has settled, decides the outcome."""
        raise NotImplementedError

    def needed(self, decision: Decision) -> Iterable[Operand]:
        """Return the operands whose values or errors a recorded outcome needs."""
        raise NotImplementedError

    def advance(self, record: Operation) -> None:
        """Do nothing: it is recorded as started, and its operands decide."""

    def complete(self, record: Operation) -> None:
        """Queue the completion once the operands that it needs are done or due."""
        self._is_decided = True
        end = super().complete
        decision = self.decision(record)
        missing = {
            operand
            for operand in self.needed(decision)
            if not (
                operand.done() or (isinstance(operand, Handle) and operation_of(operand).is_due)
            )
        }
        if not missing:
            end(record)
            return
        if self.was_over:
            self.defer()

        def arrived(operand: Operand) -> None:
            missing.discard(operand)
            if not missing and not self.is_done:
                end(record)

        for operand in missing:
            operand.add_done_callback(arrived, context=sdk_context())

    @property
    def is_left_to_code(self) -> bool:
        """True until its operands have decided."""
        return not (self._is_decided or (self.is_void and self.record is None))

    def settle(self) -> None:
        """Take the outcome, and give the losers up if ``cancel_losers`` was set."""
        super().settle()
        if self.cancels_losers:
            for operand in self.operands:
                if isinstance(operand, Handle):
                    operation_of(operand).give_up()
                elif not operand.done():
                    operand.cancel()
            self._give_messages_back()

    def _give_messages_back(self) -> None:
        """Return to the inboxes what losers have taken between the decision and its delivery, or at the same time."""
        inboxes = self.run.inboxes
        record = self.record
        if not inboxes or record is None:
            return
        winner = self.decision(record).first
        for operand in self.own:
            is_loser = winner is None or operand is not self.operands[winner]
            if is_loser and operand.done() and not (self.is_past_failures and failed(operand)):
                for inbox in inboxes.values():
                    inbox.give_back(operand)

    def recorded_error(self, record: Operation) -> ErrorObject | None:
        """Return the recorded error object; the exception itself is the operand's."""
        return record.step_details.error if record.step_details else None

    def failure(self, record: Operation) -> BaseException:
        """Return the error of the operand that decided the failure."""
        return self.error_of(self.first(record))

    def drop(self, msg: object | None = None) -> bool:
        """End the combinator; its operands go on."""
        dropped = super().drop(msg)
        if dropped:
            self._let_go()
        return dropped

    def value_of(self, operand: Operand) -> object:
        """Return the value of an operand that succeeded when the outcome was recorded.

        Raises ``DeterminismError`` if it did not succeed now.
        """
        if not operand.done() or failed(operand):
            raise self._diverged(operand)
        return operand.result()

    def error_of(self, operand: Operand) -> Exception:
        """Return the error of an operand that failed when the outcome was recorded.

        Raises ``DeterminismError`` if it did not fail now.
        """
        if not operand.done() or not failed(operand):
            raise self._diverged(operand)
        return error_from(operand)

    def first(self, record: Operation) -> Operand:
        """Return the operand that decided the outcome."""
        first = self.decision(record).first
        assert first is not None
        return self.operands[first]

    def _operand_done(self, operand: Operand) -> None:
        self._left -= 1
        _seen(operand)
        if not (self._is_decided or self.is_done or self.context_state.is_over):
            self.decide(operand)

    def succeed(self, decision: Decision) -> None:
        """Record the decision as a success."""
        self._end()
        payload = msgspec.json.encode(decision).decode()
        self.submit(self.update(OperationAction.SUCCEED, payload=payload))

    def fail(self, decision: Decision, error: Exception) -> None:
        """Record the decision as a failure."""
        self._end()
        written = msgspec.json.encode(decision).decode()
        recorded = msgspec.structs.replace(capture(error), error_data=written, stack_trace=None)
        self.submit(self.update(OperationAction.FAIL, error=recorded))

    def _end(self) -> None:
        self._is_decided = True
        self._let_go()

    def _let_go(self) -> None:
        for operand in self.operands:
            if isinstance(operand, Handle):
                operand.remove_done_callback(self._operand_done)

    def index(self, operand: Operand) -> int:
        """Return the index of an operand among the arguments."""
        return next(n for n, candidate in enumerate(self.operands) if candidate is operand)

    def decision(self, record: Operation) -> Decision:
        """Read the recorded decision. Raises ``DeterminismError`` if it does not fit these operands."""
        error = self.recorded_error(record)
        details = record.step_details
        written = error.error_data if error else details.result if details else None
        try:
            decision = msgspec.json.decode(written or "", type=Decision)
        except msgspec.DecodeError:
            decision = Decision(of=-1)
        count = len(self.operands)
        if decision.of == count and all(
            0 <= n < count for n in (decision.first or 0, *decision.failed) if count
        ):
            return decision
        recorded = f"{decision.of} operands" if decision.of >= 0 else "a step of another kind"
        raise self._broken(f"the log holds its outcome for {recorded}, the code gave it {count}")

    def _diverged(self, operand: Operand) -> DeterminismError:
        return self._broken(f"operand {self.index(operand)} did not end the way that the log holds")

    def _broken(self, what: str) -> DeterminismError:
        unrecorded = "Or an operand depends on something that is not recorded"
        error: DeterminismError = self.context_state.diverged(self.label, what, unrecorded)
        self.run.fail(error)
        return error


def _seen(operand: Operand) -> None:
    """Mark an operand's exception as retrieved, so that asyncio does not log it."""
    if not operand.cancelled():
        operand.exception()


def failed(operand: Operand) -> bool:
    """Return ``True`` if a settled operand has failed or was cancelled."""
    return operand.cancelled() or operand.exception() is not None


def error_from(operand: Operand) -> Exception:
    """Return the error of an operand that failed or was cancelled."""
    if operand.cancelled():
        operation = operation_of(operand) if isinstance(operand, Handle) else None
        if operation is not None and operation.is_given_up:
            return operation.cancelled_error()
        named = "" if operation is None else f" {operation.label}"
        return OperationError(
            f"the operand{named} was cancelled by code that called its cancel(): leave it out",
            error_type="CancelledError",
        )
    error = operand.exception()
    assert isinstance(error, Exception)
    return error
