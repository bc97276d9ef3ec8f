"""The operation of a map or a parallel: a child context whose function runs the branches."""

from __future__ import annotations

from typing import Generic, TypeVar

from durable_execution_sdk.batch_completion import CompletionConfig
from durable_execution_sdk.operations.child import Child, ChildConfig
from durable_execution_sdk.operations.fan_out.batch_result import BatchResult
from durable_execution_sdk.operations.fan_out.batch_serdes import (
    BatchSerDes,
    Draft,
    is_summary,
    summary_of,
)
from durable_execution_sdk.operations.fan_out.execution import FanOutRun
from durable_execution_sdk.operations.fan_out.items import Supply
from durable_execution_sdk.operations.fan_out.plan import Branch, NestingType, Plan
from durable_execution_sdk.protocol.limits import MAX_OPERATIONS
from durable_execution_sdk.protocol.operations import (
    OperationSubTypeName,
    is_built_again,
)
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.serdes import checked_text

__all__ = ["FanOut", "branch_contexts", "check_room"]

_T = TypeVar("_T")


class FanOut(Child[BatchResult[_T]], Generic[_T]):
    """The operation of a map or a parallel."""

    def __init__(
        self,
        scope: IdScope,
        supply: Supply[Branch],
        plan: Plan,
        name: str | None,
        sub_type: OperationSubTypeName,
    ) -> None:
        self._supply = supply
        self.plan = plan
        self.results = BatchSerDes(plan.serdes_of, plan.serdes)
        super().__init__(scope, self._fan_out, name, ChildConfig(), self.results, sub_type)

    def summary(self, result: Draft) -> str:
        """Return the text that the log shows for a batch that is not stored."""
        summarize = self.plan.summary_generator
        if summarize is None:
            return summary_of(result)
        summary = str(summarize(self.results.result_of(result, self._serdes_context())))
        return checked_text(summary, f"the summary of {self.label}")

    def may_be_summary(self, payload: str) -> bool:
        """Return ``True`` if a payload may be the text of ``summary``."""
        return self.plan.summary_generator is not None or is_summary(payload)

    @property
    def recorded_result(self) -> str | None:
        """The payload in the log: the batch, or its summary if it was not stored."""
        details = None if self.record is None else self.record.context_details
        return None if details is None else details.result

    async def _fan_out(self, context_state: ContextState) -> Draft:
        make: type[FanOutRun] = FanOutRun
        if self.plan.timeout is not None:
            from durable_execution_sdk.operations.fan_out.limited import LimitedRun  # noqa: PLC0415 - rarely needed

            make = LimitedRun
        run = make(
            self.plan,
            self.results,
            self._supply,
            self.label,
            self._serdes_context(),
            context_state,
            self.recorded_result,
        )
        run.has_ended = self.record is not None and is_built_again(self.record)
        return await run.to_the_end()


def check_room(
    scope: IdScope, call: str, name: str | None, branches: int, completion: CompletionConfig | None
) -> None:
    """Check that so many branches fit into what is left of the quota of operations: see ``room``."""
    context_state = scope.context_state
    limits = context_state.run.settings.limits
    # Two more are the execution and the batch.
    needed = context_state.operations_around + 2 + branches
    if needed > (MAX_OPERATIONS if limits is None else limits.operations):
        from durable_execution_sdk.operations.fan_out.room import refuse_or_warn  # noqa: PLC0415 - rare

        refuse_or_warn(scope, f"{call} {name!r}" if name else call, branches, completion)


def branch_contexts(operation: object) -> int | None:
    """Return the number of contexts that the log will have for the branches of a map or parallel.

    ``None`` where it is not known, where branches have no contexts, and for another operation.
    """
    if not isinstance(operation, FanOut) or operation.plan.nesting is not NestingType.NESTED:
        return None
    return operation.plan.branches
