"""The totals of a context that has ended: the operations in it, and the bytes that they have written.

Code that asks ``ctx.budget`` after a context has ended has to be told the same on the first run and on replay. On the
first run, what was in the context is known. On replay it is not: the service leaves out what is in a context that has
ended, and its function does not run again. A record of its own would cost an operation for each context, and a budget
should not use up what it measures. So the totals go with the end of the context, behind its payload, in white space,
which JSON ignores::

    {"paid": true}                           the result of the function
    1 0 1 0 1 as tab and space               21 operations
    1 1 0 ... as tab and space               the bytes
    space, tab, tab, space, tab              the sign by which they are known (``TOTALS_SIGN``)

each in a line of its own. Other readers of the payload find the same JSON. They are taken off before any serdes or
middleware reads the payload. For a failure they stand behind ``ErrorData``, which is JSON too.

They are written if the handler has ``limits=``, or once code has asked for ``ctx.budget`` in this invocation. Whether
they were written is read from the record, on the first run as on replay; a context without them counts as one operation.
So does one that was given up: the error of its record is fixed. Who asks for the budget after such a context has ended,
in a handler without ``limits=``, is told so by a warning.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from durable_execution_sdk.operations.lifecycle import DurableOperation
from durable_execution_sdk.protocol.limits import MAX_ERROR_OBJECT_BYTES
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.protocol.updates import (
    TOTALS_SIGN,
    OperationUpdate,
    error_bytes,
    split_totals,
    text_bytes,
)
from durable_execution_sdk.runtime.contexts import ContextState

__all__ = ["TOTALS_SIGN", "ContextOperation"]

_T = TypeVar("_T")

# The two numbers take no more than so many characters.
_LONGEST = 96
_WRITTEN = str.maketrans("01", " \t")


class ContextOperation(DurableOperation[_T]):
    """The operation of a context, whose end tells the totals of what is in it."""

    __slots__ = ("_inner", "_totals")

    # The context in this process, if its function runs here.
    _inner: ContextState | None
    _totals: tuple[int, int] | None

    def observe(self, record: Operation) -> None:
        """Take in a change of its record."""
        super().observe(self.without_totals(record))

    def count(self, record: Operation) -> None:
        """Count the bytes of the outcome, and what is in the context, for ``ctx.budget``."""
        details = record.context_details
        if (
            details is not None
        ):  # as the base class does: a call that each replayed context would make
            text = details.result
            if text is not None:
                self.context_state.stored_bytes += len(text) if text.isascii() else text_bytes(text)
            if details.error is not None:
                self.context_state.stored_bytes += error_bytes(details.error)
        if self._totals is not None:
            operations, stored = self._totals
            self.context_state.operations += operations
            self.context_state.stored_bytes += stored
            if self._inner is None:
                self.run.journal.hidden_operations += operations
        elif not self.run.counts_contexts:
            self.run.leaves_out_contexts = True

    def without_totals(self, record: Operation) -> Operation:
        """Take the totals of what is in the context from its record; return the record without them, and keep it."""
        details = record.context_details
        if details is None:
            return record
        error = details.error
        text = details.result if error is None else error.error_data
        written, totals = split_totals(text or "")
        if totals is None:
            return record
        self._totals = totals
        if error is None:
            cut = replace(details, result=written)
        else:
            cut = replace(details, error=replace(error, error_data=written))
        self.record = record = replace(record, context_details=cut)
        return record

    def with_totals(self, update: OperationUpdate) -> OperationUpdate:
        """Return the update of its end, with the totals of what is in it if the code uses ``ctx.budget``."""
        inner = self._inner
        if inner is None or not self.run.counts_contexts:
            return update
        operations = inner.counted_operations + inner.unseen_operations
        stored = inner.stored_bytes + inner.unseen_bytes
        totals = f"\n{operations:b}\n{stored:b}".translate(_WRITTEN) + TOTALS_SIGN
        error = update.error
        if error is None:
            return replace(update, payload=f"{update.payload or ''}{totals}")
        # An error object has a limit of size, and its data need not be JSON.
        fits = error_bytes(error) + _LONGEST <= MAX_ERROR_OBJECT_BYTES
        if not (fits and error.error_data and error.error_data.endswith("}")):
            return update
        return replace(update, error=replace(error, error_data=f"{error.error_data}{totals}"))

    def drop(self, msg: object | None = None) -> bool:
        """End the context and everything in it; no code will see its end."""
        dropped = super().drop(msg)
        inner = self._inner
        if dropped and inner is not None:
            outer = self.context_state
            outer.unseen_operations += inner.counted_operations + inner.unseen_operations
            outer.unseen_bytes += inner.stored_bytes + inner.unseen_bytes
            inner.close()
        return dropped
