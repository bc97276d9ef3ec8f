"""The durable operations, each in a module that is loaded on first use.

A cold start pays for every module that it loads, and most workflows use few of these. So modules that
refer to many of them, such as ``context``, go through this package: ``operations.map.map_items(...)``.
"""

from typing import TYPE_CHECKING

from durable_execution_sdk.first_use import on_first_use

__all__ = [
    "batch_result",
    "call_errors",
    "callback",
    "child",
    "complete_execution",
    "context_functions",
    "continue_as_new",
    "failed_attempts",
    "inbox",
    "invoke",
    "limited_step",
    "map",
    "parallel",
    "patched",
    "rules",
    "saga",
    "status",
    "wait",
    "wait_for_callback",
    "wait_for_condition",
    "with_retry",
]

if TYPE_CHECKING:
    from durable_execution_sdk.operations import (
        callback,
        child,
        complete_execution,
        continue_as_new,
        invoke,
        map,  # noqa: A004 - it is called what the operation is called
        parallel,
        patched,
        saga,
        status,
        wait,
        wait_for_callback,
        wait_for_condition,
        with_retry,
    )
    from durable_execution_sdk.operations.combinators import rules
    from durable_execution_sdk.operations.fan_out import batch_result
    from durable_execution_sdk.operations.inboxes import inbox
    from durable_execution_sdk.operations.lifecycle import (
        call_errors,
        context_functions,
        failed_attempts,
    )
    from durable_execution_sdk.operations.time_limits import limited_step
else:
    _INNER = {
        "batch_result": "fan_out.batch_result",
        "call_errors": "lifecycle.call_errors",
        "context_functions": "lifecycle.context_functions",
        "failed_attempts": "lifecycle.failed_attempts",
        "inbox": "inboxes.inbox",
        "limited_step": "time_limits.limited_step",
        "rules": "combinators.rules",
    }
    __getattr__ = on_first_use(__name__, {name: _INNER.get(name, name) for name in __all__})
