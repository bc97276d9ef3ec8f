"""Replay a history against the current code, and report the first divergence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from durable_execution_sdk.emulator.functions.invokers import Call, LambdaContext
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import AnyHandler, DurableHandler
from durable_execution_sdk.operations.patched import is_taken
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.data_plane import (
    InitialExecutionState,
    Invocation,
    Outcome,
    OutcomeStatus,
)
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.limits import LONGEST_INVOCATION_SECONDS
from durable_execution_sdk.replay.arguments import Arguments
from durable_execution_sdk.replay.document import HistorySource, read_history
from durable_execution_sdk.replay.outcome_comparison import OutcomeComparison
from durable_execution_sdk.replay.recording import Moment, Recording, record
from durable_execution_sdk.replay.rehearsal import Rehearsal, RehearsalDataPlane
from durable_execution_sdk.replay.rehearsal_log import RehearsalLog
from durable_execution_sdk.replay.report import Divergence, DivergenceKind, ReplayReport
from durable_execution_sdk.runtime.error_objects import capture
from durable_execution_sdk.runtime.log.ids import PATCH_NAME, is_patch_marker

__all__ = ["rehearsal_context", "replay_history"]

_MOST_MOMENTS = 100
_REMAINING = LONGEST_INVOCATION_SECONDS * 1_000
_UNCHECKED = "rehearsal"  # the checkpoint token; the data plane of a rehearsal does not check it


def replay_history(
    handler: AnyHandler,
    history: HistorySource,
    *,
    execution_arn: str | None = None,
    max_moments: int = _MOST_MOMENTS,
    on_run: Callable[[], None] | None = None,
) -> ReplayReport:
    """Replay a recorded history against the current code. No step runs, and nothing is recorded.

    The code runs once for each state of the log that an invocation began with, and once with the whole
    log. It must ask for the operations in the log, and no others, and end as the history does.
    Operations after the recorded end are new code and become notes. Code in contexts that succeeded is
    checked too; a context that failed raises its recorded error, and its code does not run. InvocationRun
    code outside of operations runs, with its side effects.

    Args:
        handler: the current workflow.
        history: the events, one or more pages of ``GetDurableExecutionHistory``, or the path of a JSON
            file with either; complete, and with payloads.
        execution_arn: the execution's ARN, if the history lacks it. Workflows that use
            ``ctx.uuid4()``, ``ctx.random()`` or ``ctx.execution_arn`` need it.
        max_moments: the largest number of states of the log to replay: the last one, and others at
            even distances. The time grows with this number times the number of operations.
        on_run: called before each run of the code, so that a caller can tell one that hangs.

    Raises:
        ConfigError: the handler is not a durable handler, the history cannot be used (the message
            gives the reason), or ``max_moments`` is below 1.
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
    asked: set[str] = set()
    runs = _Runs(handler, recording, chosen, on_run)
    divergence, notes = runs.first_divergence(arguments, asked)
    if divergence is None:
        divergence, more = _other_arguments(runs, arguments)
        notes += more
    patches = _patches(recording)
    gone = [patch for patch in patches if f"{PATCH_NAME}{patch}" not in asked]
    notes += [
        f"the history took the patch '{patch}', and the code does not ask for it any more: its new code is all that"
        " is left"
        for patch in gone
    ]
    return ReplayReport(
        function=handler.__qualname__,
        recorded_as=recording.function_name,
        operations=len(recording.operations),
        moments=len(chosen),
        skipped=len(recording.moments) - len(chosen),
        divergence=divergence,
        notes=[] if divergence is not None else notes,
        patches=patches,
        patches_gone=gone,
    )


def _patches(recording: Recording) -> list[str]:
    """Return the ids of the patches whose new code the history has taken, in the order of their markers."""
    markers = (recording.operations[key] for key in recording.order)
    return list(
        dict.fromkeys(
            (marker.name or "").removeprefix(PATCH_NAME)
            for marker in markers
            if is_patch_marker(marker.id, marker.name) and is_taken(marker)
        )
    )


def _chosen(moments: list[Moment], most: int) -> list[Moment]:
    """Choose at most ``most`` moments at even distances, with the last one."""
    if len(moments) <= most:
        return moments
    step = len(moments) / most
    return [moments[round((n + 1) * step) - 1] for n in range(most)]


class _Runs:
    """The runs of the code over the moments of a history; ``on_run`` is called before each."""

    def __init__(
        self,
        handler: AnyHandler,
        recording: Recording,
        moments: list[Moment],
        on_run: Callable[[], None] | None,
    ) -> None:
        self.moments = moments
        self._handler = handler
        self._recording = recording
        self._on_run = on_run

    def first_divergence(
        self, arguments: Arguments, patches: set[str] | None = None
    ) -> tuple[Divergence | None, list[str]]:
        """Replay the moments until the code diverges; return the divergence, or else the notes.

        ``patches`` gets the names of the markers of the patches that the code asks for.
        """
        notes: dict[str, None] = {}
        for moment in self.moments:
            if self._on_run is not None:
                self._on_run()
            rehearsal_log = RehearsalLog(self._recording, moment, arguments)
            divergence = _rehearse(self._handler, rehearsal_log)
            if patches is not None:
                patches |= rehearsal_log.patches
            if divergence is not None:
                return divergence, []
            notes.update(dict.fromkeys(rehearsal_log.notes))
        return None, list(notes)


def _other_arguments(runs: _Runs, arguments: Arguments) -> tuple[Divergence | None, list[str]]:
    """Find a step whose arguments change when the log is longer.

    The log does not record arguments, but two replays can be compared: code that passes other arguments
    over a longer log would do so in a real replay. Arguments that also differ between two runs over the
    same log, such as readings of a clock, become notes, unless two steps have swapped arguments.
    """
    changed = arguments.changed_arguments()
    if not changed:
        return None, []
    repeated = Arguments()
    runs.first_divergence(repeated)
    varying = {
        operation_id
        for first_run, second_run in zip(
            arguments.by_invocation, repeated.by_invocation, strict=False
        )
        for operation_id in first_run.keys() & second_run.keys()
        if first_run[operation_id] != second_run[operation_id]
    }
    for change in changed:
        if change.is_swapped or change.operation_id not in varying:
            return (
                Divergence(
                    kind=DivergenceKind.OTHER_ARGUMENTS,
                    expected=f"{change.label} with {change.first}, over the beginning of the log",
                    actual=f"{change.label} with {change.now}, over more of it",
                    invocation=runs.moments[-1].invocation,
                    operation_id=change.operation_id,
                    hint=_UNRECORDED,
                ),
                [],
            )
    return None, [str(change) for change in changed]


_UNRECORDED = (
    "The arguments depend on something that is not recorded: the order of a set, memory, time. The"
    " recorded result of a step would be taken for the result of another call."
)


def _rehearse(handler: AnyHandler, rehearsal_log: RehearsalLog) -> Divergence | None:
    recording, moment = rehearsal_log.recording, rehearsal_log.moment
    # Plugins must not be called: a rehearsal is not an invocation.
    settings = replace(handler.settings, observers=None, on_divergence=None)
    rehearsed: AnyHandler = DurableHandler(
        handler.__wrapped__,
        RehearsalDataPlane(rehearsal_log),
        settings,
        partial(Rehearsal, rehearsal_log),
    )
    invocation = Invocation(
        durable_execution_arn=recording.arn,
        checkpoint_token=_UNCHECKED,
        initial_execution_state=InitialExecutionState(operations=moment.operations),
        forked_from_arn=recording.forked_from_arn,
    )
    try:
        answer = rehearsed(codec.encode_invocation(invocation), rehearsal_context(recording.arn))
        outcome = codec.decode_outcome(answer)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        # Anything that the code raises, even SystemExit, is the outcome of the rehearsal.
        outcome = Outcome(status=OutcomeStatus.FAILED, error=capture(error))
    if rehearsal_log.divergence is not None:
        return rehearsal_log.divergence
    return OutcomeComparison(rehearsal_log, outcome, handler).verdict()


def rehearsal_context(arn: str) -> LambdaContext:
    """Make the Lambda context that the code finds in ``ctx.lambda_context``."""
    parts = ExecutionArn.read(arn)
    return LambdaContext(
        Call(
            request_id="00000000-0000-4000-8000-000000000000",
            function_name="function" if parts is None else parts.function_name,
            version="$LATEST" if parts is None else parts.version,
            function_arn=arn if parts is None else parts.function_arn,
            payload=b"",
            remaining=lambda: _REMAINING,
        )
    )
