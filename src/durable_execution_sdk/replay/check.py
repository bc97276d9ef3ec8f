"""Replays a history against the current code, and reports where they part."""

from __future__ import annotations

from functools import partial
from typing import Any

from msgspec.structs import replace

from durable_execution_sdk.emulator.invokers import Call, LambdaContext
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import DurableHandler
from durable_execution_sdk.model import wire
from durable_execution_sdk.model.ids import ExecutionArn
from durable_execution_sdk.model.invocation import (
    InitialExecutionState,
    Invocation,
    Outcome,
    OutcomeStatus,
)
from durable_execution_sdk.replay.arguments import Arguments
from durable_execution_sdk.replay.document import HistorySource, read_history
from durable_execution_sdk.replay.recording import Moment, Recording, record
from durable_execution_sdk.replay.rehearsal import Rehearsal, Spectator
from durable_execution_sdk.replay.report import Divergence, DivergenceKind, ReplayReport
from durable_execution_sdk.replay.script import Script
from durable_execution_sdk.replay.verdict import Judge
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
    Operations after the end of a history are new code, and are noted. Contexts that have succeeded are looked into; those that have failed give their error, and the
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
    arguments = Arguments()
    divergence, notes = _first_divergence(handler, recording, chosen, arguments)
    if divergence is None:
        divergence, more = _other_arguments(handler, recording, chosen, arguments)
        notes += more
    return ReplayReport(
        function=handler.__qualname__,
        recorded_as=recording.function_name,
        operations=len(recording.operations),
        moments=len(chosen),
        skipped=len(recording.moments) - len(chosen),
        divergence=divergence,
        notes=[] if divergence is not None else notes,
    )


def _chosen(moments: list[Moment], most: int) -> list[Moment]:
    """Evenly spread, and the last one in any case."""
    if len(moments) <= most:
        return moments
    step = len(moments) / most
    return [moments[round((n + 1) * step) - 1] for n in range(most)]


def _first_divergence(
    handler: DurableHandler[Any, Any],
    recording: Recording,
    moments: list[Moment],
    arguments: Arguments,
) -> tuple[Divergence | None, list[str]]:
    """Run the code over states of the log until it diverges."""
    notes: dict[str, None] = {}
    for moment in moments:
        script = Script(recording, moment, arguments)
        divergence = _rehearse(handler, script)
        if divergence is not None:
            return divergence, []
        notes.update(dict.fromkeys(script.notes))
    return None, list(notes)


def _other_arguments(
    handler: DurableHandler[Any, Any],
    recording: Recording,
    moments: list[Moment],
    arguments: Arguments,
) -> tuple[Divergence | None, list[str]]:
    """Steps whose arguments depend on how much of the log there is.

    The log does not hold arguments. But code that gives a step others over a longer log would do so on
    replay. Those that differ from one run over the same log to the next, as readings of a clock do, are
    notes, unless steps have changed places.
    """
    changed = arguments.regiven()
    if not changed:
        return None, []
    again = Arguments()
    _first_divergence(handler, recording, moments, again)
    varying = {
        operation_id
        for one, other in zip(arguments.by_invocation, again.by_invocation, strict=False)
        for operation_id in one.keys() & other.keys()
        if one[operation_id] != other[operation_id]
    }
    for each in changed:
        if each.is_swapped or each.operation_id not in varying:
            return (
                Divergence(
                    kind=DivergenceKind.OTHER_ARGUMENTS,
                    expected=f"{each.label} with {each.first}, over the beginning of the log",
                    actual=f"{each.label} with {each.now}, over more of it",
                    invocation=moments[-1].invocation,
                    operation_id=each.operation_id,
                    hint=_UNRECORDED,
                ),
                [],
            )
    return None, [str(each) for each in changed]


_UNRECORDED = (
    "The arguments depend on something that is not recorded: the order of a set, memory, time. A"
    " step that is done would give its result to what the code now takes it for."
)


def _rehearse(handler: DurableHandler[Any, Any], script: Script) -> Divergence | None:
    recording, moment = script.recording, script.moment
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
    return Judge(script, outcome, handler).verdict()


def _context(arn: str) -> LambdaContext:
    """What code that looks at ``ctx.lambda_context`` finds there."""
    known = ExecutionArn.read(arn)
    return LambdaContext(
        Call(
            request_id="00000000-0000-4000-8000-000000000000",
            function_name="function" if known is None else known.function_name,
            version="$LATEST" if known is None else known.version,
            function_arn=arn if known is None else known.function_arn,
            payload=b"",
            remaining=lambda: _REMAINING,
        )
    )
