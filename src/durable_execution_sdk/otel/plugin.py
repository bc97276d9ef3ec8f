"""The plugin that emits spans and metrics of executions."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextvars import Token
from datetime import datetime
from typing import Any

from opentelemetry import context as current
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, TracerProvider, set_span_in_context

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.otel.identity import PinnedIds
from durable_execution_sdk.otel.metrics import Metrics
from durable_execution_sdk.otel.trace import (
    ExecutionTrace,
    attempt_ended,
    attempt_retried,
    end_span,
)
from durable_execution_sdk.plugins import (
    AttemptInfo,
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
)
from durable_execution_sdk.version import __version__

__all__ = ["OpenTelemetryPlugin"]

_SCOPE = "durable_execution_sdk"
_REMEMBERED_EXECUTIONS = 64

_logger = logging.getLogger("durable_execution")


class OpenTelemetryPlugin(DurablePlugin):
    """Traces and metrics of executions, through OpenTelemetry.

    An execution is one trace over all its invocations, with a span for the execution and one for each
    invocation, operation and attempt of a step. An invoked execution continues the trace of its caller.
    Ids are derived from the execution's ARN and the operation's id. Each span is emitted once, when its
    subject has ended; replay emits nothing. After an invocation that crashed, spans that may be lost
    are emitted again with the same ids. An attempt's span is the current span in the step's body, so
    spans of instrumented libraries become its children.

    Args:
        tracer_provider: a provider of the OpenTelemetry SDK; by default the global one, which is looked
            up at each invocation.
        meter_provider: by default the global one.
        flush_seconds: the longest time, in seconds, that the end of an invocation waits for exports:
            Lambda freezes the process afterwards. 0 does not flush.

    Raises:
        ConfigError: the provider is not one of the OpenTelemetry SDK, or ``flush_seconds`` is negative.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        flush_seconds: float = 2.0,
    ) -> None:
        if flush_seconds < 0:
            raise ConfigError(f"flush_seconds must be 0 or more, not {flush_seconds!r}")
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._metrics = Metrics(metrics.get_meter(_SCOPE, __version__, meter_provider))
        self._flush_seconds = flush_seconds
        self._flush: threading.Thread | None = None
        self._live: dict[str, _InvocationState] = {}
        self._ended: OrderedDict[str, set[str]] = OrderedDict()
        if tracer_provider is not None:
            _pinnable(tracer_provider)

    def on_invocation_start(self, info: InvocationInfo) -> None:
        """Determine the trace, and emit the spans that a crashed invocation may have lost."""
        live = self._live[info.execution_arn] = _InvocationState(info.start_timestamp)
        tracer = _pinnable(self._tracer_provider or trace.get_tracer_provider())
        live.trace = None if tracer is None else ExecutionTrace(tracer, tracer.id_generator, info)
        # A suspended execution is invoked because an operation has changed. Without a change, the last
        # invocation crashed.
        if not info.is_first_invocation and not info.updated_operations:
            for operation in info.operations.values():
                if operation.type != OperationType.EXECUTION and _has_ended(operation):
                    self._end(live, operation)

    def on_operation_start(self, info: OperationInfo) -> None:
        """Remember the operation's start time."""
        live = self._live[info.execution_arn]
        if not info.is_replay and info.start_timestamp is not None:
            live.start_times[info.id] = info.start_timestamp
            live.started += 1

    def on_operation_replay(self, info: OperationInfo) -> None:
        """Count a replayed operation."""
        self._live[info.execution_arn].replayed += 1

    def on_operation_change(self, info: OperationInfo) -> None:
        """Finish the span of an attempt whose outcome is recorded."""
        attempt = self._live[info.execution_arn].ended_attempts.pop(info.id, None)
        if attempt is not None:
            span, ended_at = attempt
            if info.status == OperationStatus.PENDING:
                attempt_retried(span, info, ended_at)
            end_span(span, ended_at)

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
        if live.trace is not None:
            span = live.trace.attempt_started(info)
            live.attempts[info.id] = span, current.attach(set_span_in_context(span))

    def on_attempt_end(self, info: AttemptInfo) -> None:
        """Set the attempt's outcome on its span, and record its duration."""
        live = self._live[info.execution_arn]
        started = live.clocks.pop(info.id, None)
        if started is not None:
            self._metrics.attempt_ended(info, time.perf_counter() - started)
        attempt = live.attempts.pop(info.id, None)
        if attempt is not None:
            span, token = attempt
            current.detach(token)
            attempt_ended(span, info)
            live.ended_attempts[info.id] = span, info.end_timestamp or info.start_timestamp

    def on_checkpoint(self, info: CheckpointInfo) -> None:
        """Record a checkpoint call."""
        self._metrics.called(info)

    def on_invoke(self, info: OperationInfo) -> str | None:
        """Return the trace header for the invoked execution, which continues this trace."""
        live = self._live[info.execution_arn]
        return None if live.trace is None else live.trace.upstream_of(info).header()

    def on_invocation_end(self, info: InvocationEndInfo) -> None:
        """Emit the spans of the invocation and, if it has ended, of the execution; flush."""
        live = self._live.pop(info.execution_arn)
        for span, ended_at in live.ended_attempts.values():
            end_span(span, ended_at)
        is_over = info.status in (InvocationStatus.SUCCEEDED, InvocationStatus.FAILED)
        if live.trace is not None:
            live.trace.invocation_ended(info, live.began_at, info.end_timestamp)
            if is_over and self._is_first(info.execution_arn, OperationType.EXECUTION):
                live.trace.execution_ended(info, info.end_timestamp)
                self._ended[info.execution_arn] = {OperationType.EXECUTION}
        self._metrics.invocation_ended(info.status, live.replayed, live.started)
        self._flush_all()

    def _end(self, live: _InvocationState, info: OperationInfo) -> bool:
        """Emit an operation's span, unless this process has done so; return True if it was emitted."""
        if not self._is_first(info.execution_arn, info.id):
            return False
        if live.trace is not None:
            live.trace.operation_ended(info, live.start_times.pop(info.id, None))
        return True

    def _is_first(self, arn: str, part: str) -> bool:
        """Tell whether this process has not emitted this span; remembers the last 64 executions."""
        ended = self._ended.setdefault(arn, set())
        self._ended.move_to_end(arn)
        if len(self._ended) > _REMEMBERED_EXECUTIONS:
            self._ended.popitem(last=False)
        if part in ended or OperationType.EXECUTION in ended:
            return False
        ended.add(part)
        return True

    def _flush_all(self) -> None:
        """Flush both providers in a thread, and wait at most ``flush_seconds``: a flush may hang."""
        providers = (
            self._tracer_provider or trace.get_tracer_provider(),
            self._meter_provider or metrics.get_meter_provider(),
        )
        flushes: list[Callable[[int], object]] = [
            flush
            for provider in providers
            if (flush := getattr(provider, "force_flush", None)) is not None
        ]
        if not self._flush_seconds or not flushes:
            return
        timeout = round(self._flush_seconds * 1000)
        if self._flush is None or not self._flush.is_alive():
            self._flush = threading.Thread(
                target=_flush,
                args=(flushes, timeout),
                name="durable-otel-flush",
                daemon=True,
            )
            self._flush.start()
        self._flush.join(self._flush_seconds)
        if self._flush.is_alive():
            _logger.warning(
                "OpenTelemetry did not export within %s s of the end of an invocation; what is left goes"
                " with the next one, or is lost",
                self._flush_seconds,
            )


class _InvocationState:
    """The state of the invocation of an execution that runs now."""

    def __init__(self, began_at: datetime) -> None:
        self.began_at = began_at
        self.trace: ExecutionTrace | None = None
        self.start_times: dict[str, datetime] = {}
        self.clocks: dict[str, float] = {}
        self.attempts: dict[str, tuple[Span, Token[Context]]] = {}
        # Attempts that have ended and whose outcome is not recorded yet.
        self.ended_attempts: dict[str, tuple[Span, datetime]] = {}
        self.started = 0
        self.replayed = 0


def _pinnable(provider: TracerProvider) -> Any:
    """Return the provider's tracer with a ``PinnedIds`` generator; ``None`` if it records no spans."""
    tracer: Any = provider.get_tracer(_SCOPE, __version__)
    if isinstance(tracer, (trace.NoOpTracer, trace.ProxyTracer)):
        return None
    if not (hasattr(tracer, "id_generator") and hasattr(tracer, "sampler")):
        raise ConfigError(
            f"OpenTelemetryPlugin needs a TracerProvider of the OpenTelemetry SDK, whose tracers take"
            f" ids; {type(provider).__qualname__} makes a {type(tracer).__qualname__}"
        )
    if not isinstance(tracer.id_generator, PinnedIds):
        tracer.id_generator = PinnedIds(tracer.id_generator)
    return tracer


def _flush(flushes: Sequence[Callable[[int], object]], timeout: int) -> None:
    for flush in flushes:
        try:
            flush(timeout)
        except Exception:
            _logger.warning("OpenTelemetry could not export", exc_info=True)


def _has_ended(info: OperationInfo) -> bool:
    return info.status in TERMINAL_STATUSES
