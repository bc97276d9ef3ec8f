"""Base class of plugins, with the hooks that they may override."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from durable_execution_sdk.plugins.dispatch import Hooks
from durable_execution_sdk.plugins.infos import (
    AttemptInfo,
    CheckpointInfo,
    InvocationEndInfo,
    InvocationInfo,
    OperationChangeInfo,
    OperationInfo,
)
from durable_execution_sdk.plugins.reporter import Observers

__all__ = ["DurablePlugin"]


class DurablePlugin:
    """An observer of executions: subclass it, and override the hooks that you need.

    Pass instances to ``durable_execution(plugins=[MyPlugin()])``. One object serves all invocations of
    the handler; each info names its execution. Plugins are called in the order of the list.

    **Hooks are plain functions.** They are called on the thread that runs the workflow, which continues
    when they return: do slow work (an export) on a thread of your own and finish it in
    ``on_invocation_end``. ``durable_execution`` refuses coroutine functions.

    **A hook cannot affect the execution.** Its exceptions are logged, once for each plugin and hook, and
    otherwise ignored. It runs outside of the workflow: it cannot start operations, and tasks that it
    creates end with the invocation. Attempt hooks of a step run in the context of the body, so the body
    sees context variables that ``on_attempt_start`` sets, even a plain body in its worker thread.
    Context variables set by other hooks are visible only to later hooks of the invocation.

    **Each end is reported once**: by the invocation in which it was recorded, or, if it happened while
    the execution was suspended, at the start of the next one. When a later invocation replays the
    operation, ``on_operation_replay`` is called instead. After a crash, reports of events that were
    recorded as the process died may be missing. Others may be repeated: the start of an operation that
    was not recorded, and changes before an invocation that Lambda repeats.
    """

    def on_invocation_start(self, info: InvocationInfo) -> None:
        """Called when an invocation begins, before any code of the handler runs."""

    def on_invocation_end(self, info: InvocationEndInfo) -> None:
        """Called when an invocation has ended with any outcome: the last chance to flush."""

    def on_operation_start(self, info: OperationInfo) -> None:
        """Called when an operation starts, or is resumed by a later invocation (``is_replay``).

        Once per operation and invocation, before its START is sent.
        """

    def on_operation_change(self, info: OperationChangeInfo) -> None:
        """Called when the log has a new status of an operation.

        ``on_operation_end`` follows if the status is final. ``info.updated_operations`` holds this
        operation only, ``info.operations`` all operations of the log.
        """

    def on_operation_end(self, info: OperationInfo) -> None:
        """Called when the end of an operation is recorded, before the workflow sees it.

        Not called for operations that were given up (the losers of a race, operations of a cancelled
        task), nor for virtual contexts, which are not in the log.
        """

    def on_operation_replay(self, info: OperationInfo) -> None:
        """Called when the workflow replays an operation whose end an earlier invocation reported."""

    def on_attempt_start(self, info: AttemptInfo) -> None:
        """Called before a user's function runs: a step's body, a poll's check, a context's function.

        For a map or a parallel, also called before its fan-out runs.
        """

    def on_attempt_end(self, info: AttemptInfo) -> None:
        """Called when the function has returned, raised or been interrupted, before that is recorded."""

    def on_checkpoint(self, info: CheckpointInfo) -> None:
        """Called when a checkpoint call has returned or failed."""

    def on_invoke(self, info: OperationInfo) -> str | None:
        """Return the X-Amzn-Trace-Id header of an invoke that is about to start, or ``None``.

        Called once, before its START is recorded together with the header; the first header that a
        plugin returns, of 8,192 printable ASCII characters at most, is used; what is none is logged. Without one,
        the service passes on the header of this execution.
        """

    @staticmethod
    def make_observers(plugins: Sequence[object], logger: logging.Logger) -> Observers:
        """Return the observers of a handler. Here, so that handlers without plugins do not load them."""
        return Observers(Hooks(DurablePlugin, plugins, logger))
