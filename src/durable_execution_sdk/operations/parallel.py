"""Parallel: several functions that run concurrently, each in a context of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from durable_execution_sdk.batch_completion import CompletionConfig
from durable_execution_sdk.duration import DurationLike, check_time_limit
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.operations.fan_out.batch_result import BatchResult
from durable_execution_sdk.operations.fan_out.items import supply_of
from durable_execution_sdk.operations.fan_out.operation import FanOut, check_room
from durable_execution_sdk.operations.fan_out.plan import Branch, NestingType, Plan, check_options
from durable_execution_sdk.operations.lifecycle.argument_checks import (
    check_config,
    check_context_function,
    checked_name,
)
from durable_execution_sdk.protocol.operations import OperationSubType
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.serdes import SerDes

__all__ = ["ParallelConfig", "parallel"]


class ParallelConfig(Options, frozen=True, kw_only=True):
    """The options of a parallel.

    ``max_concurrency`` is the number of branches that run at a time; by default all do. ``completion`` says
    when the batch is decided; by default at the first failure.

    ``serdes`` writes the ``BatchResult``. ``item_serdes`` writes each branch's result; by default the
    function's return annotation decides. ``summary_generator`` makes the text that the log shows for a batch
    above 262,144 bytes, which is not stored but built again from its branches on replay. ``nesting`` says if
    each branch is an operation of its own.

    ``branch_timeout``, 1 s to 366 days, limits the time of each branch from its start; then its function is cancelled and
    everything in it given up, and it counts as failed, with a ``ChildContextTimeoutError``. It costs one operation
    more for each branch that has not ended within 0.2 s.
    """

    max_concurrency: int | None = None
    completion: CompletionConfig | None = None
    serdes: SerDes[Any] | None = None
    item_serdes: SerDes[Any] | None = None
    summary_generator: Callable[[BatchResult[Any]], str] | None = None
    nesting: NestingType = NestingType.NESTED
    branch_timeout: DurationLike | None = None

    def __post_init__(self) -> None:
        """Check the options. Raises ``ConfigError``."""
        check_options(self)
        if self.branch_timeout is not None:
            check_time_limit("ParallelConfig.branch_timeout", self.branch_timeout)


def parallel(
    scope: IdScope,
    functions: Sequence[Callable[..., Any]] | Mapping[str, Callable[..., Any]],
    call: Callable[[ContextState, Callable[..., Any], int], Awaitable[Any]],
    name: str | None,
    config: ParallelConfig | None,
) -> Handle[BatchResult[Any]]:
    """Start a parallel. ``call`` calls a function in its branch's context."""
    check_config("ctx.parallel", config, ParallelConfig)
    chosen = config or ParallelConfig()
    named = _named(functions)
    if chosen.completion is not None:
        chosen.completion.validate_against(len(named), "ctx.parallel")
    settings = scope.context_state.run.settings
    by_index = [chosen.item_serdes or settings.serdes_for(function) for _, function in named]

    branches = [
        Branch(
            name=given_name or f"parallel-branch-{index}",
            given_name=given_name,
            call=call,
            item=function,
            index=index,
        )
        for index, (given_name, function) in enumerate(named)
    ]
    plan = Plan(
        branch_type=OperationSubType.PARALLEL_BRANCH,
        completion=chosen.completion,
        max_concurrency=chosen.max_concurrency,
        nesting=chosen.nesting,
        serdes_of=by_index.__getitem__,
        serdes=chosen.serdes,
        summary_generator=chosen.summary_generator,
        branches=len(named),
        timeout=chosen.branch_timeout,
    )
    if chosen.nesting is NestingType.NESTED:
        check_room(scope, "ctx.parallel", name, len(named), chosen.completion)
    supply = supply_of(branches, scope, "ctx.parallel")
    return FanOut[Any](scope, supply, plan, name, OperationSubType.PARALLEL).handle


def _named(functions: object) -> list[tuple[str | None, Callable[..., Any]]]:
    named: list[tuple[str | None, Any]]
    branches: Any = functions
    if isinstance(functions, Mapping):
        named = [(checked_name(key, "parallel branch"), branch) for key, branch in branches.items()]
    elif isinstance(functions, Sequence) and not isinstance(functions, (str, bytes)):
        named = [(None, branch) for branch in branches]
    else:
        raise ConfigError(
            "ctx.parallel takes a sequence of functions, or a mapping from names to functions, not"
            f" {functions!r}"
        )
    for index, (name, function) in enumerate(named):
        if not callable(function):
            what = f"{name!r}" if name else f"{index}"
            raise ConfigError(
                f"ctx.parallel: branch {what} is {function!r}, and must be a function that takes the"
                " branch's context, as in `async def branch(ctx)`; did you call it?"
            )
        check_context_function("ctx.parallel", function, 1, "(ctx)")
    return named
