"""Observers of an execution, for tracing, metrics and audit: ``durable_execution(plugins=[...])``.

Subclass ``DurablePlugin`` and override the hooks that you need. Handlers without plugins do not load
this package.
"""

from durable_execution_sdk.plugins.infos import (
    AttemptInfo,
    AttemptOutcome,
    CheckpointInfo,
    InvocationEndInfo,
    InvocationInfo,
    InvocationStatus,
    OperationChangeInfo,
    OperationInfo,
)
from durable_execution_sdk.plugins.plugin import DurablePlugin

__all__ = [
    "AttemptInfo",
    "AttemptOutcome",
    "CheckpointInfo",
    "DurablePlugin",
    "InvocationEndInfo",
    "InvocationInfo",
    "InvocationStatus",
    "OperationChangeInfo",
    "OperationInfo",
]
