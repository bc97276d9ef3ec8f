"""Compare the outcome of a rehearsal with the end and the operations of the history."""

from __future__ import annotations

from durable_execution_sdk.handler import AnyHandler
from durable_execution_sdk.protocol.data_plane import Outcome, OutcomeStatus
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import EventType
from durable_execution_sdk.protocol.ids import execution_operation_id
from durable_execution_sdk.protocol.operation_log import Ending
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    Operation,
    OperationType,
    label_of,
)
from durable_execution_sdk.protocol.updates import OperationAction
from durable_execution_sdk.replay.payloads import canonical, short
from durable_execution_sdk.replay.rehearsal_log import RehearsalLog, is_of_the_sdk
from durable_execution_sdk.replay.report import Divergence, DivergenceKind
from durable_execution_sdk.serdes import ValueContext

__all__ = ["OutcomeComparison"]


def _completed(outcome: Outcome, rehearsal_log: RehearsalLog) -> Outcome:
    """Return the outcome; that of an update that completed the execution, if there was one."""
    update = rehearsal_log.completion
    if update is None:
        return outcome
    if update.action == OperationAction.FAIL:
        return Outcome(status=OutcomeStatus.FAILED, error=update.error)
    return Outcome(status=OutcomeStatus.SUCCEEDED, result=update.payload)


class OutcomeComparison:
    """The comparison of one rehearsal's outcome with the history."""

    def __init__(self, rehearsal_log: RehearsalLog, outcome: Outcome, handler: AnyHandler) -> None:
        self._rehearsal_log = rehearsal_log
        self._moment = rehearsal_log.moment
        self._outcome = _completed(outcome, rehearsal_log)
        self._handler = handler
        self._ending = rehearsal_log.recording.ending

    def verdict(self) -> Divergence | None:
        """Return the first difference, or ``None``."""
        at_rest = self._rehearsal_log.misplaced or self._rehearsal_log.swapped
        if at_rest is not None:
            return at_rest
        if self._outcome.status == OutcomeStatus.FAILED and not self._may_fail():
            return self._other_end(_outcome_text(self._outcome), _HINT_FAILED)
        divergence = self._missing_operation()
        if divergence is not None or not self._moment.is_last:
            return divergence
        ending = self._ending
        if ending is None or not ending.is_own:
            if self._outcome.status == OutcomeStatus.PENDING or not self._moment.is_settled:
                return None
            return self._other_end(_outcome_text(self._outcome))
        if self._outcome.status == OutcomeStatus.PENDING:
            if self._rehearsal_log.added:
                return None  # it waits for new code
            waits = ", ".join(self._rehearsal_log.waits_for)
            return self._other_end(f"it still waits for {waits or 'something else'}")
        return None if self._is_same_end(ending) else self._other_end(_outcome_text(self._outcome))

    def _may_fail(self) -> bool:
        """Tell whether the failure agrees with the log: it is the recorded one, or the log ends before."""
        if self._ending is not None and self._ending.is_own:
            return self._is_same_end(self._ending)
        error = self._outcome.error
        broken = error is not None and error.error_type in _SDK_ERRORS
        return not (broken or self._moment.is_settled)

    def _is_same_end(self, ending: Ending) -> bool:
        outcome = self._outcome
        if outcome.status == OutcomeStatus.SUCCEEDED:
            return ending.event_type == EventType.EXECUTION_SUCCEEDED and self._is_same_result(
                ending.result, outcome.result
            )
        if ending.event_type != EventType.EXECUTION_FAILED:
            return False
        return _type_and_message(ending.error) == _type_and_message(outcome.error)

    def _is_same_result(self, recorded: str | None, result: str | None) -> bool:
        """Compare as JSON, or as values if a custom serdes or middleware writes the result."""
        if recorded == result:
            return True
        settings = self._handler.settings
        is_plain = settings.serdes is None and settings.middleware is None
        read = canonical if is_plain else self._value
        try:
            return bool(read(recorded or "null") == read(result or "null"))
        except Exception:
            return False  # a payload that cannot be read is equal to none

    def _value(self, payload: str) -> object:
        arn = self._rehearsal_log.recording.arn
        context = ValueContext(
            operation_id=execution_operation_id(arn),
            durable_execution_arn=arn,
            subject="the result of the execution",
        )
        return self._handler.result_serdes.deserialize(payload, context)

    def _missing_operation(self) -> Divergence | None:
        recording, moment = self._rehearsal_log.recording, self._moment
        expected = [
            operation
            for operation in moment.operations
            if operation.type != OperationType.EXECUTION
        ]
        if self._outcome.status != OutcomeStatus.PENDING:
            # The code is over, so it will not ask for the later operations of the log either.
            expected += [recording.operations[key] for key in recording.order[moment.known :]]
        calls = self._rehearsal_log.asked
        # The SDK itself records operations of this name (see `runtime.journal`).
        missing = next(
            (
                operation
                for operation in expected
                if operation.id not in calls
                and not is_of_the_sdk(operation)
                and not self._was_cut_off(operation)
            ),
            None,
        )
        return None if missing is None else self._divergence_of_missing(missing)

    def _was_cut_off(self, operation: Operation) -> bool:
        """Tell whether the end of the execution cut off the context of an operation.

        How far such a context came is not the same each time: nothing waits for it any more.
        """
        if self._outcome.status == OutcomeStatus.PENDING or self._ending is None:
            return False
        records = self._rehearsal_log.recording.operations
        around = records.get(operation.parent_id or "")
        while around is not None:
            if around.status not in TERMINAL_STATUSES:
                return True
            around = records.get(around.parent_id or "")
        return False

    def _divergence_of_missing(self, operation: Operation) -> Divergence:
        calls = list(self._rehearsal_log.asked.values())
        if self._outcome.status == OutcomeStatus.PENDING:
            waits = ", ".join(self._rehearsal_log.waits_for)
            actual = f"it waits for {waits}, and has not asked for it"
        else:
            actual = f"{_outcome_text(self._outcome)}, and has not asked for it"
        return Divergence(
            kind=DivergenceKind.MISSING_OPERATION,
            expected=label_of(operation.type, operation.sub_type, operation.name),
            actual=actual,
            invocation=self._moment.invocation,
            place=calls[-1].place if calls else None,
            operation_id=operation.id,
            hint=f"The last operation that it asked for was {calls[-1].label}." if calls else "",
        )

    def _other_end(self, actual: str, hint: str = "") -> Divergence:
        return Divergence(
            kind=DivergenceKind.OTHER_END,
            expected=_ending_text(self._ending),
            actual=actual,
            invocation=self._moment.invocation,
            hint=hint,
        )


_SDK_ERRORS = frozenset({"DeterminismError", "SerDesError", "DeadlockError", "InternalError"})

_HINT_FAILED = (
    "If the error is about the input or a payload, this may be the history of another function, or"
    " a type has changed."
)


def _type_and_message(error: ErrorObject | None) -> tuple[str | None, str | None]:
    return (error.error_type, error.error_message) if error else (None, None)


def _ending_text(ending: Ending | None) -> str:
    match ending:
        case None:
            return "the execution still runs"
        case Ending(event_type=EventType.EXECUTION_SUCCEEDED):
            return f"the execution succeeded with {short(ending.result)}"
        case Ending(event_type=EventType.EXECUTION_FAILED):
            return f"the execution failed with {_error_text(ending.error)}"
        case _:
            return ending.event_type


def _outcome_text(outcome: Outcome) -> str:
    if outcome.status == OutcomeStatus.SUCCEEDED:
        return f"it returned {short(outcome.result)}"
    if outcome.status == OutcomeStatus.FAILED:
        return f"it failed with {_error_text(outcome.error)}"
    return "it waits"


def _error_text(error: ErrorObject | None) -> str:
    kind, message = _type_and_message(error)
    trace = (error.stack_trace or []) if error else []
    place = f"\n            {trace[-1].strip()}" if trace else ""
    return f"{kind or 'an error'}: {short(message)}{place}"
