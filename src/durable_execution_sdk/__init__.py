"""Durable execution for Python: plain ``async`` workflows whose operations are checkpointed.

On AWS Lambda durable functions, on a laptop and in tests, the same code survives crashes, restarts
and waits of up to a year: it is invoked again, replays its checkpoints, and continues.
"""

from typing import TYPE_CHECKING

from durable_execution_sdk.context import DurableContext
from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import (
    AllFailedError,
    CallbackError,
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    ChildContextError,
    ChildContextTimeoutError,
    CompensationError,
    ConfigError,
    ContextMisuseError,
    ContinueAsNewError,
    DeadlockError,
    DeterminismError,
    DurableError,
    ExecutionError,
    FailureGroupError,
    InboxClosedError,
    InboxError,
    InboxMessageError,
    InboxTimeoutError,
    InternalError,
    InvocationError,
    InvokeError,
    InvokeTimeoutError,
    OperationCancelledError,
    OperationError,
    PayloadSizeError,
    SerDesError,
    ServiceError,
    StepError,
    StepInterruptedError,
    StepTimeoutError,
    WaitForConditionError,
    WaitForConditionTimeoutError,
)
from durable_execution_sdk.first_use import on_first_use
from durable_execution_sdk.handler import DurableHandler, durable_execution
from durable_execution_sdk.operations.step import StepConfig, StepSemantics
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.current import StepContext
from durable_execution_sdk.serdes import (
    JsonSerDes,
    PassThroughSerDes,
    SerDes,
    SerDesContext,
)
from durable_execution_sdk.version import __version__

# Every workflow uses the modules above. Those below are loaded when one of their names is first used,
# because each module costs time in a cold start.
if TYPE_CHECKING:
    from durable_execution_sdk.batch_completion import (
        CompletionConfig,
        CompletionDecision,
        CompletionOutcome,
        CompletionReason,
        CompletionStatus,
        complete_batch,
        continue_batch,
    )
    from durable_execution_sdk.execution_limits import ExecutionLimits
    from durable_execution_sdk.handler_modes import CheckpointingMode, OnDivergence, ReplayLogging
    from durable_execution_sdk.operations.callback import Callback, CallbackConfig
    from durable_execution_sdk.operations.child import ChildConfig
    from durable_execution_sdk.operations.combinators.settled import Settled, SettledStatus
    from durable_execution_sdk.operations.fan_out import summary_generators
    from durable_execution_sdk.operations.fan_out.batch_result import (
        BatchItem,
        BatchItemStatus,
        BatchResult,
    )
    from durable_execution_sdk.operations.fan_out.grouping import ItemBatcher
    from durable_execution_sdk.operations.fan_out.plan import NestingType
    from durable_execution_sdk.operations.inboxes.inbox import Inbox
    from durable_execution_sdk.operations.invoke import InvokeConfig
    from durable_execution_sdk.operations.map import MapConfig
    from durable_execution_sdk.operations.parallel import ParallelConfig
    from durable_execution_sdk.operations.resources import INJECTED, Depends
    from durable_execution_sdk.operations.saga import Saga
    from durable_execution_sdk.operations.step_decorator import durable_step
    from durable_execution_sdk.operations.wait_for_callback import WaitForCallbackConfig
    from durable_execution_sdk.operations.wait_for_condition import WaitForConditionConfig
    from durable_execution_sdk.operations.with_retry import WithRetryConfig
    from durable_execution_sdk.other_loggers import loguru_filter, structlog_renderer
    from durable_execution_sdk.retry.backoff import JitterStrategy
    from durable_execution_sdk.retry.filters import RetryableErrorFilter
    from durable_execution_sdk.retry.polling import (
        WaitDecision,
        WaitStrategy,
        poll_until,
        poll_while,
    )
    from durable_execution_sdk.retry.presets import retry_presets
    from durable_execution_sdk.retry.strategies import (
        ExponentialBackoff,
        FixedDelay,
        LinearBackoff,
        NoRetry,
        RetryDecision,
        RetryStrategy,
        custom_retry,
    )
    from durable_execution_sdk.runtime.contexts.budget import Budget, Quota, TimeQuota
    from durable_execution_sdk.runtime.logging.json_formatter import JsonFormatter
    from durable_execution_sdk.serdes.callback import CallbackSerDes
    from durable_execution_sdk.serdes.custom import CustomSerDes, custom_serdes
else:
    __getattr__ = on_first_use(
        __name__,
        {
            "BatchItem": "operations.fan_out.batch_result",
            "BatchItemStatus": "operations.fan_out.batch_result",
            "BatchResult": "operations.fan_out.batch_result",
            "Budget": "runtime.contexts.budget",
            "Callback": "operations.callback",
            "CallbackConfig": "operations.callback",
            "CallbackSerDes": "serdes.callback",
            "ChildConfig": "operations.child",
            "CompletionConfig": "batch_completion",
            "CompletionDecision": "batch_completion",
            "CompletionOutcome": "batch_completion",
            "CompletionReason": "batch_completion",
            "CompletionStatus": "batch_completion",
            "complete_batch": "batch_completion",
            "continue_batch": "batch_completion",
            "Depends": "operations.resources",
            "INJECTED": "operations.resources",
            "CheckpointingMode": "handler_modes",
            "OnDivergence": "handler_modes",
            "ReplayLogging": "handler_modes",
            "ExecutionLimits": "execution_limits",
            "Inbox": "operations.inboxes.inbox",
            "InvokeConfig": "operations.invoke",
            "ItemBatcher": "operations.fan_out.grouping",
            "MapConfig": "operations.map",
            "NestingType": "operations.fan_out.plan",
            "ParallelConfig": "operations.parallel",
            "ExponentialBackoff": "retry.strategies",
            "FixedDelay": "retry.strategies",
            "JitterStrategy": "retry.backoff",
            "LinearBackoff": "retry.strategies",
            "NoRetry": "retry.strategies",
            "Quota": "runtime.contexts.budget",
            "RetryableErrorFilter": "retry.filters",
            "RetryDecision": "retry.strategies",
            "RetryStrategy": "retry.strategies",
            "custom_retry": "retry.strategies",
            "durable_step": "operations.step_decorator",
            "Saga": "operations.saga",
            "Settled": "operations.combinators.settled",
            "SettledStatus": "operations.combinators.settled",
            "TimeQuota": "runtime.contexts.budget",
            "WaitDecision": "retry.polling",
            "WaitForCallbackConfig": "operations.wait_for_callback",
            "WaitForConditionConfig": "operations.wait_for_condition",
            "WaitStrategy": "retry.polling",
            "WithRetryConfig": "operations.with_retry",
            "CustomSerDes": "serdes.custom",
            "custom_serdes": "serdes.custom",
            "JsonFormatter": "runtime.logging.json_formatter",
            "loguru_filter": "other_loggers",
            "structlog_renderer": "other_loggers",
            "retry_presets": "retry.presets",
            "summary_generators": "operations.fan_out.summary_generators",
            "poll_until": "retry.polling",
            "poll_while": "retry.polling",
        },
    )

__all__ = [
    "INJECTED",
    "AllFailedError",
    "BatchItem",
    "BatchItemStatus",
    "BatchResult",
    "Budget",
    "Callback",
    "CallbackConfig",
    "CallbackError",
    "CallbackExternalError",
    "CallbackSerDes",
    "CallbackSubmitterError",
    "CallbackTimeoutError",
    "CheckpointingMode",
    "ChildConfig",
    "ChildContextError",
    "ChildContextTimeoutError",
    "CompensationError",
    "CompletionConfig",
    "CompletionDecision",
    "CompletionOutcome",
    "CompletionReason",
    "CompletionStatus",
    "ConfigError",
    "ContextMisuseError",
    "ContinueAsNewError",
    "CustomSerDes",
    "DeadlockError",
    "Depends",
    "DeterminismError",
    "DurableContext",
    "DurableError",
    "DurableHandler",
    "Duration",
    "DurationLike",
    "ExecutionError",
    "ExecutionLimits",
    "ExponentialBackoff",
    "FailureGroupError",
    "FixedDelay",
    "Handle",
    "Inbox",
    "InboxClosedError",
    "InboxError",
    "InboxMessageError",
    "InboxTimeoutError",
    "InternalError",
    "InvocationError",
    "InvokeConfig",
    "InvokeError",
    "InvokeTimeoutError",
    "ItemBatcher",
    "JitterStrategy",
    "JsonFormatter",
    "JsonSerDes",
    "LinearBackoff",
    "MapConfig",
    "NestingType",
    "NoRetry",
    "OnDivergence",
    "OperationCancelledError",
    "OperationError",
    "ParallelConfig",
    "PassThroughSerDes",
    "PayloadSizeError",
    "Quota",
    "ReplayLogging",
    "RetryDecision",
    "RetryStrategy",
    "RetryableErrorFilter",
    "Saga",
    "SerDes",
    "SerDesContext",
    "SerDesError",
    "ServiceError",
    "Settled",
    "SettledStatus",
    "StepConfig",
    "StepContext",
    "StepError",
    "StepInterruptedError",
    "StepSemantics",
    "StepTimeoutError",
    "TimeQuota",
    "WaitDecision",
    "WaitForCallbackConfig",
    "WaitForConditionConfig",
    "WaitForConditionError",
    "WaitForConditionTimeoutError",
    "WaitStrategy",
    "WithRetryConfig",
    "__version__",
    "complete_batch",
    "continue_batch",
    "custom_retry",
    "custom_serdes",
    "durable_execution",
    "durable_step",
    "loguru_filter",
    "poll_until",
    "poll_while",
    "retry_presets",
    "structlog_renderer",
    "summary_generators",
]


def __dir__() -> list[str]:
    """Every name, loaded or not."""
    return sorted({*globals(), *__all__})
