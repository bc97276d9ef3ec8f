"""The run of a fan-out, for map and parallel: branches that run concurrently until the batch is decided.

A fan-out is a child context (``operation``), and its function is plain workflow code: it starts branches in
the order of their index, as many at a time as ``max_concurrency`` allows, and counts how they end. It sees
the ends in the order of the log, so replay decides as the first run did, and no other state has to be
restored. A branch that waits still counts as running for ``max_concurrency``.

Each item's result is serialized once, when its branch ends, and goes into the batch unchanged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

from msgspec import Struct

from durable_execution_sdk.batch_completion import (
    CompletionReason,
    CompletionStatus,
    decide,
    decide_by,
)
from durable_execution_sdk.operations.child import Child, ChildConfig
from durable_execution_sdk.operations.fan_out.batch_result import BatchItem, BatchItemStatus
from durable_execution_sdk.operations.fan_out.batch_serdes import (
    BatchSerDes,
    Draft,
    Entry,
    embedded,
    item_context,
    joined,
    recorded_reason,
)
from durable_execution_sdk.operations.fan_out.items import NEVER, NOT_YET, Supply
from durable_execution_sdk.operations.fan_out.plan import Branch, NestingType, Plan, one_for_each
from durable_execution_sdk.operations.virtual_child import VirtualChild
from durable_execution_sdk.runtime.completions.handle import Handle, Signal, Watcher
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope, current_scope
from durable_execution_sdk.serdes import (
    JsonSerDes,
    PassThroughSerDes,
    SerDesContext,
    checked_text,
)

__all__ = ["FanOutRun"]

_CONFIG = ChildConfig()
_TEXT = PassThroughSerDes()


class _Running(Struct, frozen=True):
    """A branch that runs, with the child context in which it does."""

    context: Child[str] | VirtualChild[str]
    branch: Branch


class FanOutRun(Watcher[str]):
    """The state of a fan-out that runs: its branches, their results, and the decision."""

    def __init__(
        self,
        plan: Plan,
        results: BatchSerDes,
        supply: Supply[Branch],
        label: str,
        context: SerDesContext,
        context_state: ContextState,
        recorded: str | None,
    ) -> None:
        self._context_state = context_state
        self._supply = supply
        self._plan = plan
        self._results = results
        self._recorded = recorded if context_state.is_rebuilt else None
        self._label = label
        self._context = context
        # The ids of branches are numbered from 0, as items are; those of other operations from 1.
        maker = current_scope(context_state)
        self._scope = IdScope(
            context_state, context_state.prefix, first=0, maker=maker, place=maker.place
        )
        self._ended: list[Sequence[Entry] | None] = []  # by branch; None while it runs
        self._running: dict[Handle[str], _Running] = {}
        self._arrived: deque[Handle[str]] = deque()  # ended, and not counted yet
        self._wake: Signal | None = None
        self._is_stocked = True  # False once the supply has no more items
        self._items = self._succeeded = self._failed = 0
        # The counts that ``should_complete`` was called with last: it is not called twice with the same.
        self._asked: tuple[object, ...] = ()
        self._shown: dict[int, BatchItem[object]] = {}
        self.has_ended = False
        # The label of the first branch that the log does not hold. The log must not hold a later branch.
        self._first_new: str | None = None

    async def to_the_end(self) -> Draft:
        """Run branches until the batch is decided, cancel those that still run, and return the batch."""
        try:
            while (reason := self._reason() or self._start_more()) is None:
                await self._next()
        finally:
            self._supply.close()
        self._check_rebuilt(reason)
        for running in self._running.values():
            branch = running.branch
            running.context.drop()
            self._ended[branch.index] = [
                Entry(index=index, status=BatchItemStatus.STARTED, name=branch.given_name)
                for index in branch.indexes
            ]
        self._report(has_ended=True)
        return Draft(all=[entry for group in self._ended for entry in group or ()], reason=reason)

    def _reason(self) -> CompletionReason | None:
        total = self._items
        if self._is_stocked:
            items_in_all = self._supply.total
            # If the number of items is unknown, one more than have come keeps the batch from being complete.
            total = self._items + 1 if items_in_all is None else items_in_all
        completion = self._plan.completion
        if completion is not None and completion.should_complete is not None:
            return self._custom_reason(completion.should_complete, total)
        return decide(completion, total, self._succeeded, self._failed)

    def _custom_reason(self, rule: Callable[..., Any], total: int) -> CompletionReason | None:
        items_in_all = self._supply.total if self._is_stocked else self._items
        state = (self._succeeded, self._failed, items_in_all)
        if state != self._asked:
            self._asked = state
            reason = decide_by(rule, CompletionStatus(*state, self._shown_items), self._label)
            if reason is not None:
                return reason
        all_ended = self._succeeded + self._failed >= total
        return CompletionReason.ALL_COMPLETED if all_ended else None

    def _shown_items(self) -> tuple[BatchItem[object], ...]:
        """Return the items that have ended, as ``should_complete`` sees them; each result is decoded once."""
        shown = self._shown
        for group in self._ended:
            for entry in group or ():
                if entry.index not in shown:
                    shown[entry.index] = self._results.item(entry, self._context)
        return tuple(shown[index] for index in sorted(shown))

    def _check_rebuilt(self, reason: CompletionReason) -> None:
        """Fail if ``should_complete`` ends a rebuilt batch for another reason than the log holds."""
        completion = self._plan.completion
        if self._recorded is None or completion is None or completion.should_complete is None:
            return
        before = recorded_reason(self._recorded)
        if before is not None and before != reason:
            self._diverged(f"it ended as {before}, and on replay as {reason}")

    def _diverged(self, how: str) -> NoReturn:
        self._fail(
            f"should_complete does not answer as it did when the batch was recorded: {how}",
            "Or it does not depend on the CompletionStatus only, but on time, chance or anything outside",
        )

    def _fail(self, fact: str, unrecorded: str) -> NoReturn:
        error = self._context_state.diverged(self._label, fact, unrecorded)
        self._context_state.run.fail(error)
        raise error

    def _start_more(self) -> CompletionReason | None:
        """Start branches while there is room; if the items run out, return the reason to end, if any."""
        limit = self._plan.max_concurrency
        while self._is_stocked and (limit is None or len(self._running) < limit):
            branch = self._supply.pull(self._notify)
            if branch is NOT_YET:
                break
            if branch is NEVER:
                self._is_stocked = False
            else:
                self._start(branch)
        return None if self._is_stocked else self._reason()

    def _start(self, branch: Branch) -> Child[str] | VirtualChild[str]:
        """Start a branch, and return its context."""
        branch.first = self._items
        self._items += branch.size
        body = partial(FanOutRun._body, self, branch)  # cheaper than partial(self._body, branch)
        plan = self._plan
        context: Child[str] | VirtualChild[str]
        if plan.nesting is NestingType.FLAT:
            context = VirtualChild(self._scope, body, branch.name, sub_type=plan.branch_type)
        else:
            context = Child(
                self._scope,
                body,
                branch.name,
                _CONFIG,
                _TEXT,
                plan.branch_type,
            )
            self._check_that_none_is_missing(context)
        self._ended.append(None)
        self._running[context.handle] = _Running(context, branch)
        context.watch(self)
        return context

    def _check_that_none_is_missing(self, context: Child[str]) -> None:
        """Fail if the log holds later branches, or the end of the batch, but not this branch."""
        if context.record is None:
            self._first_new = self._first_new or context.label
        if self._first_new is not None and (context.record is not None or self.has_ended):
            self._fail(
                f"the log does not hold {self._first_new}, though it holds later branches, or the end: to run"
                " it now could repeat its effects",
                "Or the items differ from those of the first run, or the log is damaged",
            )

    async def _body(self, branch: Branch, context_state: ContextState) -> str:
        """Run a branch and return its result, serialized."""
        result = await branch.call(context_state, branch.item, branch.index)
        if branch.is_group:
            return self._joined(branch, one_for_each(branch, result, self._label))
        return self._written(branch.first, branch.given_name, result)

    def _joined(self, branch: Branch, results: Sequence[object]) -> str:
        return joined(
            embedded(self._written(index, branch.given_name, result), self._plan.serdes_of(index))
            for index, result in enumerate(results, branch.first)
        )

    def _written(self, index: int, name: str | None, result: object) -> str:
        serdes = self._plan.serdes_of(index)
        context_of_item = partial(item_context, self._context, index, name)
        if type(serdes) is JsonSerDes:
            return serdes.write(result, context_of_item)
        payload = serdes.serialize(result, context_of_item())
        return checked_text(payload, f"what the item_serdes of {self._label} writes")

    async def _next(self) -> None:
        """Wait until a branch has ended or an item has come; count one branch that has ended, if any."""
        if not self._arrived:
            if self._recorded is not None and self._runs_nothing():
                self._diverged("it had stopped here, and on replay goes on")
            self._wake = Signal(self._context_state.run.loop, f"the branches of {self._label}")
            await self._wake
        if self._arrived:
            self._take(self._arrived.popleft())

    def _runs_nothing(self) -> bool:
        """Return ``True`` if no running branch of a rebuilt batch can end: the log holds no end of one."""
        completion = self._plan.completion
        return (
            completion is not None
            and completion.should_complete is not None
            and all(
                isinstance(running.context, Child) and running.context.is_void
                for running in self._running.values()
            )
        )

    def _take(self, handle: Handle[str]) -> None:
        running = self._running.pop(handle)
        branch = running.branch
        name, first = branch.given_name, branch.first
        error = handle.exception()
        if error is None:
            self._succeeded += branch.size
            # The garbage collector does not track a tuple of entries, so it stays quick beside large maps.
            self._ended[branch.index] = tuple(
                [
                    Entry(index=index, status=BatchItemStatus.SUCCEEDED, name=name, result=raw)
                    for index, raw in enumerate(
                        self._plan.raw_results(branch, handle.result()), first
                    )
                ]
            )
        else:
            self._failed += branch.size
            failure = self._plan.failure_of(running.context, error)
            self._ended[branch.index] = [
                Entry(index=index, status=BatchItemStatus.FAILED, name=name, error=failure)
                for index in branch.indexes
            ]
        if self._plan.report is not None:
            self._report()

    def _report(self, *, has_ended: bool = False) -> None:
        if self._plan.report is not None:
            total = self._supply.total if self._is_stocked else self._items
            done = self._succeeded + self._failed
            self._plan.report(self._context_state, done, total, has_ended)

    def take_note(self, handle: Handle[str]) -> None:
        """Queue the handle of a branch that has ended, and wake the run."""
        self._arrived.append(handle)
        self._notify()

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
