"""Time limits of the items of a map and the branches of a parallel."""

from __future__ import annotations

from durable_execution_sdk.operations.child import Child
from durable_execution_sdk.operations.fan_out.execution import FanOutRun
from durable_execution_sdk.operations.fan_out.plan import Branch
from durable_execution_sdk.operations.lifecycle.time_limits import limit_context
from durable_execution_sdk.operations.virtual_child import VirtualChild

__all__ = ["LimitedRun"]


class LimitedRun(FanOutRun):
    """A fan-out whose branches have a time limit each; one that exceeds it is a failed branch."""

    def _start(self, branch: Branch) -> Child[str] | VirtualChild[str]:
        """Start a branch and its time limit."""
        context = super()._start(branch)
        if self._plan.timeout is not None:
            limit_context(self._scope.context_state, context, self._plan.timeout)
        return context
