"""Replays a history against the current code, and says where they part."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from durable_execution_sdk.emulator.invokers import Call, LambdaContext
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import DurableHandler
from durable_execution_sdk.model import wire
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.history import EventType
from durable_execution_sdk.model.ids import ExecutionArn
from durable_execution_sdk.model.invocation import (
    InitialExecutionState,
    Invocation,
    Outcome,
    OutcomeStatus,
)
from durable_execution_sdk.model.operation import Operation, OperationType
from durable_execution_sdk.model.update import OperationAction
from durable_execution_sdk.operations.lifecycle import label_of
from durable_execution_sdk.replay.document import HistorySource, read_history
from durable_execution_sdk.replay.recording import Ending, Moment, Recording, record
from durable_execution_sdk.replay.rehearsal import Rehearsal, Script, Spectator
from durable_execution_sdk.replay.report import Divergence, DivergenceKind, ReplayReport
from durable_execution_sdk.runtime.failure import capture

__all__ = ["replay_history"]

_MOST_MOMENTS = 100
_REMAINING = 15 * 60 * 1000
_NOBODY = "rehearsal"  # nobody asks for the token


def replay_history(
    handler: DurableHandler[Any, Any],
    history: HistorySource,
    *,
    execution_arn: str | None = None,
    max_moments: int = _MOST_MOMENTS,
) -> ReplayReport:
    """Run the current code over a recorded history, without running any step or recording anything.

    The code is run over the log as it was at the beginning of each invocation, and as it is at its
    end. It must ask for the operations that the log holds, no others, and come to the same end.
    Contexts that have succeeded are looked into; those that have failed give their error, and the
    code in them is not looked at. What workflow code does outside of its operations does happen.

    Args:
        handler: the workflow, as it is now.
        history: events, a page or the pages of ``GetDurableExecutionHistory``, or a JSON file of
            them; whole, and with the payloads.
        execution_arn: the execution's ARN, which a history does not tell. It matters to workflows
            that use ``ctx.uuid4()``, ``ctx.random()`` or ``ctx.execution_arn``.
        max_moments: over how many states of the log to run the code, at most: the last one, and
            others evenly between. The time that it takes grows with these times the operations.

    Raises:
        ConfigError: the history cannot be used; the message says what is wrong with it.
    """
    if not isinstance(handler, DurableHandler):
        raise ConfigError(
            f"a replay needs the handler that @durable_execution makes of a workflow, not {handler!r}"
        )
    if max_moments < 1:
        raise ConfigError(f"max_moments is 1 or more, not {max_moments!r}")
    recording = record(read_history(history), handler.__name__, execution_arn)
    chosen = _chosen(recording.moments, max_moments)
    divergence: Divergence | None = None
    for moment in chosen:
        divergence = _rehearse(handler, recording, moment)
        if divergence is not None:
            break
    return ReplayReport(
        function=handler.__qualname__,
        operations=len(recording.operations),
        moments=len(chosen),
        skipped=len(recording.moments) - len(chosen),
        divergence=divergence,
    )


def _chosen(moments: list[Moment], most: int) -> list[Moment]:
    """Evenly spread, and the last one in any case."""
    if len(moments) <= most:
        return moments
    step = len(moments) / most
    return [moments[round((n + 1) * step) - 1] for n in range(most)]


def _rehearse(
    handler: DurableHandler[Any, Any], recording: Recording, moment: Moment
) -> Divergence | None:
    script = Script(recording, moment)
    # Plugins are told nothing: nothing happens.
    settings = replace(handler.settings, observers=None)
    acting: DurableHandler[Any, Any] = DurableHandler(
        handler.__wrapped__, Spectator(script), settings, partial(Rehearsal, script)
    )
    invocation = Invocation(
        durable_execution_arn=recording.arn,
        checkpoint_token=_NOBODY,
        initial_execution_state=InitialExecutionState(operations=moment.operations),
    )
    try:
        answer = acting(wire.encode_invocation(invocation), _context(recording.arn))
        outcome = wire.decode_outcome(answer)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        # Whatever the code does to its invocation, SystemExit among it, is what came of it.
        outcome = Outcome(status=OutcomeStatus.FAILED, error=capture(error))
    if script.divergence is not None:
        return script.divergence
    return _Judge(script, _completed(outcome, script)).verdict()


def _context(arn: str) -> LambdaContext:
    """What code that looks at ``ctx.lambda_context`` finds there."""
    known = ExecutionArn.parse(arn)
    return LambdaContext(
        Call(
            request_id="00000000-0000-4000-8000-000000000000",
            function_name=known.function_name,
            version=known.version,
            function_arn=known.function_arn,
            payload=b"",
            remaining=lambda: _REMAINING,
        )
    )


def _completed(outcome: Outcome, script: Script) -> Outcome:
    """What came of it, if the workflow completed its execution itself."""
    update = script.completion
    if update is None:
        return outcome
    if update.action is OperationAction.FAIL:
        return Outcome(status=OutcomeStatus.FAILED, error=update.error)
    return Outcome(status=OutcomeStatus.SUCCEEDED, result=update.payload)


class _Judge:
    """Compares what came of a rehearsal with what the history holds."""

    def __init__(self, script: Script, outcome: Outcome) -> None:
        self._script = script
        self._moment = script.moment
        self._outcome = outcome
        self._ending = script.recording.ending

    def verdict(self) -> Divergence | None:
        """The first difference, if there is one."""
        if self._outcome.status is OutcomeStatus.FAILED and not self._may_fail():
            return self._other_end(_told(self._outcome), _HINT_FAILED)
        missing = self._never_asked_for()
        if missing is not None or not self._moment.is_last:
            return missing
        ending = self._ending
        if ending is None or not ending.is_own:
            if self._outcome.status is OutcomeStatus.PENDING or not self._moment.is_settled:
                return None
            return self._other_end(_told(self._outcome))
        if self._outcome.status is OutcomeStatus.PENDING:
            waits = ", ".join(asked.label for asked in self._script.waits_for())
            return self._other_end(f"it still waits for {waits or 'something else'}")
        return None if _same_end(ending, self._outcome) else self._other_end(_told(self._outcome))

    def _may_fail(self) -> bool:
        """Whether the log has this very failure, or does not yet know how the code goes on."""
        if self._ending is not None and self._ending.is_own:
            return _same_end(self._ending, self._outcome)
        error = self._outcome.error
        broken = error is not None and error.error_type in _BROKEN
        return not (broken or self._moment.is_settled)

    def _never_asked_for(self) -> Divergence | None:
        recording, moment = self._script.recording, self._moment
        wanted = [each for each in moment.operations if each.type != OperationType.EXECUTION]
        if self._outcome.status is not OutcomeStatus.PENDING:
            # It is over, so it will not ask for what follows in the log either.
            wanted += [recording.operations[each] for each in recording.order[moment.known :]]
        missing = next((each for each in wanted if each.id not in self._script.asked), None)
        return None if missing is None else self._missing(missing)

    def _missing(self, operation: Operation) -> Divergence:
        asked = list(self._script.asked.values())
        if self._outcome.status is OutcomeStatus.PENDING:
            waits = ", ".join(each.label for each in self._script.waits_for())
            actual = f"it waits for {waits}, and has not asked for it"
        else:
            actual = f"{_told(self._outcome)}, and has not asked for it"
        return Divergence(
            kind=DivergenceKind.MISSING_OPERATION,
            expected=label_of(operation.type, operation.sub_type, operation.name),
            actual=actual,
            invocation=self._moment.invocation,
            place=asked[-1].place if asked else None,
            operation_id=operation.id,
            hint=f"The last operation that it asked for was {asked[-1].label}." if asked else "",
        )

    def _other_end(self, actual: str, hint: str = "") -> Divergence:
        return Divergence(
            kind=DivergenceKind.OTHER_END,
            expected=_recorded(self._ending),
            actual=actual,
            invocation=self._moment.invocation,
            hint=hint,
        )


_BROKEN = frozenset({"DeterminismError", "SerDesError", "DeadlockError", "InternalError"})

_HINT_FAILED = (
    "If the error is about the input or a payload, this may be the history of another function, or"
    " a type has changed."
)


def _same_end(ending: Ending, outcome: Outcome) -> bool:
    if outcome.status is OutcomeStatus.SUCCEEDED:
        return ending.event_type == EventType.EXECUTION_SUCCEEDED and _same_json(
            ending.result, outcome.result
        )
    if ending.event_type != EventType.EXECUTION_FAILED:
        return False
    return _essence(ending.error) == _essence(outcome.error)


def _essence(error: ErrorObject | None) -> tuple[str | None, str | None]:
    return (error.error_type, error.error_message) if error else (None, None)


def _same_json(one: str | None, other: str | None) -> bool:
    if one == other:
        return True
    try:
        return bool(msgspec.json.decode(one or "null") == msgspec.json.decode(other or "null"))
    except msgspec.DecodeError:
        return False


def _recorded(ending: Ending | None) -> str:
    match ending:
        case None:
            return "the execution still runs"
        case Ending(event_type=EventType.EXECUTION_SUCCEEDED):
            return f"the execution succeeded with {_short(ending.result)}"
        case Ending(event_type=EventType.EXECUTION_FAILED):
            return f"the execution failed with {_error(ending.error)}"
        case _:
            return ending.event_type


def _told(outcome: Outcome) -> str:
    if outcome.status is OutcomeStatus.SUCCEEDED:
        return f"it returned {_short(outcome.result)}"
    if outcome.status is OutcomeStatus.FAILED:
        return f"it failed with {_error(outcome.error)}"
    return "it waits"


def _error(error: ErrorObject | None) -> str:
    kind, message = _essence(error)
    trace = (error.stack_trace or []) if error else []
    where = f"\n            {trace[-1].strip()}" if trace else ""
    return f"{kind or 'an error'}: {_short(message)}{where}"


def _short(text: str | None) -> str:
    if text is None:
        return "nothing"
    return text if len(text) <= 300 else f"{text[:300]}..."
