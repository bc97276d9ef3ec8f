"""Start, read and stop executions from any program, and answer callbacks: at AWS, ``durable dev`` or a test engine."""

from durable_execution_sdk.client.callbacks import PendingCallback, SyncPendingCallback
from durable_execution_sdk.client.durable_client import DurableClient
from durable_execution_sdk.client.errors import (
    AlreadyStartedError,
    ContinuedAsNewError,
    InboxFullError,
    NoInboxError,
    ResultTimeoutError,
)
from durable_execution_sdk.client.execution_handle import ExecutionHandle
from durable_execution_sdk.client.function_ref import FunctionRef
from durable_execution_sdk.client.messages.inbox_ref import InboxRef
from durable_execution_sdk.client.synchronous.client import SyncDurableClient
from durable_execution_sdk.client.synchronous.handle import SyncExecutionHandle

__all__ = [
    "AlreadyStartedError",
    "ContinuedAsNewError",
    "DurableClient",
    "ExecutionHandle",
    "FunctionRef",
    "InboxFullError",
    "InboxRef",
    "NoInboxError",
    "PendingCallback",
    "ResultTimeoutError",
    "SyncDurableClient",
    "SyncExecutionHandle",
    "SyncPendingCallback",
]
