"""The hooks: what a plugin may override."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from durable_execution_sdk.hooks.firing import Hooks
from durable_execution_sdk.hooks.infos import (
    AttemptInfo,
    CheckpointInfo,
    InvocationEndInfo,
    InvocationInfo,
    OperationChangeInfo,
    OperationInfo,
)
from durable_execution_sdk.hooks.reporter import Observers

__all__ = ["DurablePlugin"]


class DurablePlugin:
    """An observer of executions: subclass it, and override the hooks that you need.

    ``durable_execution(plugins=[MyPlugin()])``. One object serves every invocation of the handler;
    each info names its execution. Plugins are called in the order of the list.

    **Hooks are plain functions**, called on the thread that runs the workflow, which goes on when they
    return: do slow work (an export) on a thread of your own and finish it in ``on_invocation_end``. A
    coroutine function is refused when the handler is made.

    **A hook cannot affect the execution.** What it raises is logged, once for each plugin and hook,
    and otherwise ignored. It runs outside the workflow: it cannot start operations, and tasks that it
    makes end with the invocation. Attempt hooks of a step run in the body's own context, so a context
    variable that ``on_attempt_start`` sets is seen by the body, also by a plain one in its worker
    thread; no other hook's are seen by anybody but the hooks that follow in the invocation.

    **Once.** An operation's end is reported once: by the invocation that saw it recorded, or, if it
    came while the execution was suspended, at the start of the next one. What a later invocation
    replays is reported by ``on_operation_replay`` instead. After a crash some reports may be missing,
    of what was recorded as the process died, and some may come again: the start of an operation
    that was not recorded, and what changed before an invocation that Lambda makes again.
    """

    def on_invocation_start(self, info: InvocationInfo) -> None:
        """An invocation begins; no code of the handler has run yet."""

    def on_invocation_end(self, info: InvocationEndInfo) -> None:
        """An invocation has ended, whatever its outcome: its last chance to flush."""

    def on_operation_start(self, info: OperationInfo) -> None:
        """An operation starts, or one that has not ended is taken up again (``is_replay``).

        Called once per operation and invocation, before its START is sent.
        """

    def on_operation_change(self, info: OperationChangeInfo) -> None:
        """The log has a new status of an operation; ``on_operation_end`` follows if it is its last.

        ``info.updated_operations`` is the change alone, ``info.operations`` all that the log holds now.
        """

    def on_operation_end(self, info: OperationInfo) -> None:
        """An operation has ended, and its end is recorded; the workflow has not seen it yet.

        Operations that were given up (the losers of a race, what a cancelled task had started) have no
        end, and neither have virtual contexts, which are not in the log at all.
        """

    def on_operation_replay(self, info: OperationInfo) -> None:
        """The workflow asked for an operation whose end an earlier invocation has seen recorded."""

    def on_attempt_start(self, info: AttemptInfo) -> None:
        """A function of the user's is about to run: a step's body, a poll's check, a context's own.

        That of a map or a parallel is its fan-out.
        """

    def on_attempt_end(self, info: AttemptInfo) -> None:
        """It has returned, raised or been cut off; what came of it is not recorded yet."""

    def on_checkpoint(self, info: CheckpointInfo) -> None:
        """A checkpoint call has returned, or failed."""

    def on_invoke(self, info: OperationInfo) -> str | None:
        """An invoke is about to start: return the X-Amzn-Trace-Id header that it takes along, or None.

        Called once, before its START is recorded together with the header; the first plugin that
        returns one decides. Without one the service passes on the header of this execution.
        """

    @staticmethod
    def __observe__(plugins: Sequence[object], logger: logging.Logger) -> Observers:
        """What a handler reports to: found here, so that one without plugins loads none of it."""
        return Observers(Hooks(DurablePlugin, plugins, logger))
