"""The ends that this process has reported: an invocation that Lambda makes again may tell of them once more."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime

from durable_execution_sdk.plugins import InvocationInfo

__all__ = ["ReportedEnds"]

_REMEMBERED_EXECUTIONS = 64


class ReportedEnds:
    """The reported ends of the last 64 executions, so that none is counted, or has a span, twice."""

    def __init__(self) -> None:
        self._executions: OrderedDict[str, _Reported] = OrderedDict()
        self._lock = threading.Lock()  # invocations may run in threads

    def invocation_started(self, info: InvocationInfo) -> None:
        """Forget an earlier execution with the same ARN: each test runner begins anew, at the same time."""
        arn, began = info.execution_arn, info.start_timestamp
        earlier = self._executions.get(arn)
        if info.is_first_invocation and earlier is not None and earlier.is_another(began):
            self._executions.pop(arn, None)
        self._of(arn).began = began

    def is_first(self, arn: str, part: str, *, is_recorded: bool = True) -> bool:
        """Note the end of an operation, or of another part; return ``False`` if it, or the execution's, was reported before.

        ``is_recorded``: the log holds it.
        """
        execution = self._of(arn)
        if part in execution.parts or execution.has_ended:
            return False
        execution.parts.add(part)
        execution.is_recorded |= is_recorded
        return True

    def is_first_end(self, arn: str) -> bool:
        """Note the end of the execution; return ``False`` if it was reported before."""
        execution = self._of(arn)
        if execution.has_ended:
            return False
        execution.has_ended = True
        execution.parts.clear()
        return True

    def _of(self, arn: str) -> _Reported:
        with self._lock:
            execution = self._executions.get(arn)
            if execution is None:
                execution = self._executions[arn] = _Reported()
            self._executions.move_to_end(arn)
            if len(self._executions) > _REMEMBERED_EXECUTIONS:
                self._executions.popitem(last=False)
        return execution


class _Reported:
    """The reported ends of one execution, and the start of its last invocation."""

    def __init__(self) -> None:
        self.parts: set[str] = set()
        self.is_recorded = False
        self.has_ended = False
        self.began: datetime | None = None

    def is_another(self, began: datetime) -> bool:
        """Return ``True`` if an invocation with an empty log, which begins at this time, is of another execution."""
        return self.is_recorded or (self.began is not None and began <= self.began)
