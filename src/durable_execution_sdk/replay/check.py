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
from durable_execution_sdk.replay.document import HistorySource, read_history
from durable_execution_sdk.replay.recording import Moment, record
from durable_execution_sdk.replay.rehearsal import Rehearsal, Spectator
from durable_execution_sdk.replay.report import Divergence, ReplayReport
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
    divergence: Divergence | None = None
    notes: dict[str, None] = {}
    for moment in chosen:
        script = Script(recording, moment)
        divergence = _rehearse(handler, script)
        notes.update(dict.fromkeys(script.notes))
        if divergence is not None:
            break
    return ReplayReport(
        function=handler.__qualname__,
        recorded_as=recording.function_name,
        operations=len(recording.operations),
        moments=len(chosen),
        skipped=len(recording.moments) - len(chosen),
        divergence=divergence,
        notes=[] if divergence is not None else list(notes),
    )


def _chosen(moments: list[Moment], most: int) -> list[Moment]:
    """Evenly spread, and the last one in any case."""
    if len(moments) <= most:
        return moments
    step = len(moments) / most
    return [moments[round((n + 1) * step) - 1] for n in range(most)]


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
