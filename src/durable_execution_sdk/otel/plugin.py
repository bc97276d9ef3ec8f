"""The plugin that emits spans and metrics of executions."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from contextvars import Token
from datetime import datetime
from typing import cast

from opentelemetry import context as current
from opentelemetry import metrics
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, TracerProvider, get_current_span, set_span_in_context

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.otel.metrics import Metrics
from durable_execution_sdk.otel.providers import SCOPE, Providers
from durable_execution_sdk.otel.trace import ExecutionTrace, nanoseconds, set_outcome
from durable_execution_sdk.otel.upstream import ParentReader, Upstream, w3c_parent, xray_parent
from durable_execution_sdk.otel.views import TraceView, View, view_of
from durable_execution_sdk.plugins import (
    AttemptInfo,
    AttemptOutcome,
    CheckpointInfo,
    DurablePlugin,
    InvocationEndInfo,
    InvocationInfo,
    InvocationStatus,
    OperationInfo,
)
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    OperationStatus,
    OperationType,
    is_cancellation,
    is_status,
)
from durable_execution_sdk.runtime.logging import TRACERS
from durable_execution_sdk.telemetry.reported_ends import ReportedEnds
from durable_execution_sdk.version import __version__

__all__ = ["OpenTelemetryPlugin"]

_logger = logging.getLogger("durable_execution")


class OpenTelemetryPlugin(DurablePlugin):
    """Traces and metrics of executions, through OpenTelemetry.

    An execution is one trace over all its invocations, in the vocabulary of AWS's plugins: the spans
    ``Workflow`` and ``Invocation``, and one for each operation and each attempt of a step, each with
    ``durable.execution.arn``. Ids are derived from the execution's ARN and the operation's id. Each span is
    emitted once, when its subject has ended; replay emits nothing. An attempt's span is the current span in the
    step's body, so spans of instrumented libraries become its children.

    Args:
        view: ``TraceView.EXECUTION``, an operation is one span below ``Workflow``, or ``TraceView.INVOCATION``,
            an operation is a span in each invocation that had it open.
        parents: readers of the trace that an execution continues, in order of preference; by default the W3C
            headers in the execution's input and then the header ``X-Amzn-Trace-Id``. Without any, each execution
            has a trace of its own.
        tracer_provider: a provider of the OpenTelemetry SDK; by default the global one, which is looked
            up at each invocation.
        meter_provider: by default the global one.
        endpoint: the URL of a collector that takes OTLP over HTTP, such as ``http://localhost:4318``, instead
            of a ``tracer_provider``. Without either and without a global provider, the environment variable
            ``OTEL_EXPORTER_OTLP_ENDPOINT`` names it.
        flush_seconds: the longest time, in seconds, that the end of an invocation waits for exports:
            Lambda freezes the process afterwards. 0 does not flush.

    Raises:
        ConfigError: the provider is not one of the OpenTelemetry SDK, there are a provider and an endpoint,
            ``endpoint`` is no URL, ``view`` is no view, ``parents`` holds something else than functions, or
            ``flush_seconds`` is negative or not finite.
    """

    def __init__(
        self,
        *,
        view: TraceView = TraceView.EXECUTION,
        parents: Sequence[ParentReader] = (w3c_parent, xray_parent),
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        endpoint: str | None = None,
        flush_seconds: float = 2.0,
    ) -> None:
        try:
            self._view = TraceView(view)
        except ValueError:
            views = ", ".join(f"TraceView.{each.name}" for each in TraceView)
            raise ConfigError(f"view must be one of {views}, not {view!r}") from None
        self._parents = _checked(parents)
        self._providers = Providers(tracer_provider, meter_provider, endpoint, flush_seconds)
        self._metrics = Metrics(metrics.get_meter(SCOPE, __version__, meter_provider))
        self._live: dict[str, _InvocationState] = {}
        self._reported = ReportedEnds()
        TRACERS.add(self)

    def ids_in_logs(self, arn: str) -> tuple[str, str] | None:
        """Return the ids of the current span of the trace; in workflow code, which has none, the invocation's."""
        live = self._live.get(arn)
        if live is None or live.trace is None:
            return None
        span = get_current_span().get_span_context()
        is_ours = span.trace_id == live.trace.trace_id
        span_id = span.span_id if is_ours else live.trace.invocation
        return f"{live.trace.trace_id:032x}", f"{span_id:016x}"

    def on_invocation_start(self, info: InvocationInfo) -> None:
        """Determine the trace, and emit the spans that a crashed invocation may have lost."""
        self._reported.invocation_started(info)
        live = self._live[info.execution_arn] = _InvocationState()
        tracer = self._providers.tracer()
        if tracer is None:
            return
        live.trace = ExecutionTrace(tracer, info, self._upstream(info))
        live.view = view_of(self._view, live.trace, info)
        # A suspended execution is invoked because an operation has changed. Without a change, the last
        # invocation crashed. Its segments in the invocation view are lost with it.
        is_lost = not info.is_first_invocation and not info.updated_operations
        if is_lost and self._view is TraceView.EXECUTION:
            for operation in info.operations.values():
                if _is_given_up(operation):
                    self._give_up(live, operation)
                elif _has_reported_end(operation):
                    self._end(live, operation)

    def on_operation_start(self, info: OperationInfo) -> None:
        """Note that the operation is open in this invocation."""
        live = self._live[info.execution_arn]
        if not info.is_replay:
            live.started += 1
        if live.view is not None:
            live.view.operation_started(info)

    def on_operation_replay(self, info: OperationInfo) -> None:
        """Count a replayed operation."""
        self._live[info.execution_arn].replayed += 1

    def on_operation_change(self, info: OperationInfo) -> None:
        """Finish the span of an attempt whose outcome is recorded."""
        live = self._live[info.execution_arn]
        attempt = live.ended_attempts.pop(info.id, None)
        if attempt is not None and live.trace is not None:
            span, ended_at = attempt
            if info.status == OperationStatus.PENDING:
                _add_retry(span, info, ended_at)
            live.trace.end(span, ended_at)
        if _is_given_up(info):
            self._give_up(live, info)

    def on_operation_end(self, info: OperationInfo) -> None:
        """Emit the operation's span."""
        if self._end(self._live[info.execution_arn], info):
            self._metrics.operation_ended(info)

    def on_attempt_start(self, info: AttemptInfo) -> None:
        """Start the attempt's span, and make it the current span of the body."""
        live = self._live[info.execution_arn]
        if info.attempt is None:
            return
        live.clocks[info.id] = time.perf_counter()
        if live.view is not None:
            span = live.view.attempt_started(info)
            live.attempts[info.id] = span, current.attach(set_span_in_context(span))

    def on_attempt_end(self, info: AttemptInfo) -> None:
        """Set the attempt's outcome on its span, and record its duration."""
        live = self._live[info.execution_arn]
        started = live.clocks.pop(info.id, None)
        if started is not None:
            self._metrics.attempt_ended(info, time.perf_counter() - started)
        if live.view is None:
            return
        attempt = live.attempts.pop(info.id, None)
        if attempt is not None:
            span, token = attempt
            current.detach(token)
            if info.outcome is not None:
                span.set_attribute("durable.attempt.outcome", str(info.outcome))
            set_outcome(span, info.outcome, info.error)
            live.ended_attempts[info.id] = span, live.view.attempt_ended(info)
        elif info.is_virtual and self._is_new(info):
            live.view.virtual_context_ended(info)

    def on_checkpoint(self, info: CheckpointInfo) -> None:
        """Record a checkpoint call."""
        self._metrics.called(info)

    def on_invoke(self, info: OperationInfo) -> str | None:
        """Return the trace header for the invoked execution, which continues this trace."""
        live = self._live[info.execution_arn]
        if live.trace is None or live.view is None:
            return None
        return live.trace.header_below(live.view.operation(info.id))

    def on_invocation_end(self, info: InvocationEndInfo) -> None:
        """Emit the spans of the invocation and, if it has ended, of the execution; flush."""
        live = self._live.pop(info.execution_arn)
        is_over = info.status in (InvocationStatus.SUCCEEDED, InvocationStatus.FAILED)
        is_last = is_over and self._reported.is_first_end(info.execution_arn)
        if live.trace is not None and live.view is not None:
            for span, ended_at in live.ended_attempts.values():
                live.trace.end(span, ended_at)
            ends = live.view.invocation_ended(info, is_last=is_last)
            live.trace.invocation_ended(info, ends.invocation)
            if is_last:
                live.trace.execution_ended(info, info.execution_start_timestamp, ends.workflow)
        self._metrics.invocation_ended(info, live.replayed, live.started, is_last=is_last)
        self._providers.flush()

    def _end(self, live: _InvocationState, info: OperationInfo) -> bool:
        """Emit an operation's span, unless this process has done so; return True if it was emitted."""
        if not self._reported.is_first(info.execution_arn, info.id):
            return False
        if live.view is not None:
            live.view.operation_ended(info)
        return True

    def _give_up(self, live: _InvocationState, info: OperationInfo) -> None:
        """Emit the span of an operation without an end, unless this process has done so."""
        if live.view is not None and self._reported.is_first(info.execution_arn, info.id):
            live.view.operation_given_up(info)

    def _is_new(self, info: AttemptInfo) -> bool:
        """Tell whether a virtual context has ended that had not ended before."""
        has_ended = not info.is_replay and info.outcome != AttemptOutcome.INCOMPLETE
        arn = info.execution_arn
        return has_ended and self._reported.is_first(arn, info.id, is_recorded=False)

    def _upstream(self, info: InvocationInfo) -> Upstream | None:
        """Return what the first reader finds; one that raises finds nothing."""
        for read in self._parents:
            try:
                found = read(info)
            except Exception:
                _logger.warning(
                    "%s could not read the trace above %s", read, info.execution_arn, exc_info=True
                )
                continue
            if found is not None:
                return found
        return None


class _InvocationState:
    """The state of the invocation of an execution that runs now."""

    def __init__(self) -> None:
        self.trace: ExecutionTrace | None = None
        self.view: View | None = None
        self.clocks: dict[str, float] = {}
        self.attempts: dict[str, tuple[Span, Token[Context]]] = {}
        # Attempts that have ended and whose outcome is not recorded yet.
        self.ended_attempts: dict[str, tuple[Span, datetime]] = {}
        self.started = 0
        self.replayed = 0


def _checked(parents: object) -> tuple[ParentReader, ...]:
    """Return the readers; raise ``ConfigError`` for what is no sequence of functions."""
    readers = tuple(cast("Iterable[object]", parents)) if isinstance(parents, Iterable) else (None,)
    if not all(map(callable, readers)):
        raise ConfigError(
            "OpenTelemetryPlugin: parents is a sequence of functions, such as (w3c_parent, xray_parent), not"
            f" {parents!r}"
        )
    return cast("tuple[ParentReader, ...]", readers)


def _add_retry(span: Span, info: OperationInfo, ended_at: datetime) -> None:
    """Add an event to an attempt's span: another attempt is scheduled."""
    due = info.next_attempt_timestamp
    attributes: dict[str, str | int | float] = {"durable.attempt.next": info.attempt or 0}
    if due is not None:
        attributes["durable.retry.due"] = due.isoformat()
        attributes["durable.retry.delay_seconds"] = max(0.0, (due - ended_at).total_seconds())
    span.add_event("retry", attributes, nanoseconds(ended_at))


def _has_reported_end(info: OperationInfo) -> bool:
    """Tell whether plugins are told of the end: not of that of a status."""
    is_operation = info.type != OperationType.EXECUTION and not is_status(info.id, info.name)
    return is_operation and info.status in TERMINAL_STATUSES


def _is_given_up(info: OperationInfo) -> bool:
    """Tell whether an operation was given up: plugins are not told of its end."""
    return info.status in TERMINAL_STATUSES and is_cancellation(info.error)
