"""The plan of a fan-out: its options, and the branches that run the items."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Raw, Struct

from durable_execution_sdk.batch_completion import CompletionConfig
from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.first_use import OptionEnum
from durable_execution_sdk.operations.child import Child
from durable_execution_sdk.operations.fan_out.batch_result import BatchResult
from durable_execution_sdk.operations.fan_out.batch_serdes import NO_RESULT, embedded, split
from durable_execution_sdk.operations.lifecycle.argument_checks import check_serdes
from durable_execution_sdk.operations.virtual_child import VirtualChild, check_generator
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import OperationSubTypeName
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.error_objects import capture
from durable_execution_sdk.serdes import SerDes

__all__ = ["Branch", "NestingType", "Plan", "check_options", "one_for_each"]


class NestingType(StrEnum, metaclass=OptionEnum):
    """The form of an item's context in the log.

    ``NESTED``: an operation of its own, with the item's result or error. ``FLAT``: only ids; the item's
    operations belong to the map itself, which saves about a third of the operations.
    """

    NESTED = "NESTED"
    FLAT = "FLAT"


class Branch(Struct, kw_only=True):
    """One context of a fan-out: for one item, or for a group of them.

    ``given_name`` is the user's name for it, if there is one. ``first`` is the index of its first item, set
    when it starts. ``call(context_state, item, index)`` runs it, where ``index`` is the branch's.
    """

    name: str
    given_name: str | None
    call: Callable[[ContextState, Any, int], Awaitable[Any]]
    item: Any
    index: int
    size: int = 1
    is_group: bool = False
    first: int = 0

    @property
    def indexes(self) -> range:
        """The indexes of its items."""
        return range(self.first, self.first + self.size)


class Plan(Struct, frozen=True, kw_only=True):
    """The options of a fan-out. ``branches`` is the number of its branches, where it is known.

    ``report`` takes the context, and the number of the items that have ended and of all, if that is known; it is told
    when the batch has ended. ``timeout`` is the time limit of each branch.
    """

    branch_type: OperationSubTypeName
    completion: CompletionConfig | None
    max_concurrency: int | None
    nesting: NestingType
    serdes_of: Callable[[int], SerDes[Any]]
    serdes: SerDes[Any] | None
    summary_generator: Callable[[BatchResult[Any]], str] | None
    branches: int | None = None
    report: Callable[[ContextState, int, int | None, bool], None] | None = None
    timeout: DurationLike | None = None

    def raw_results(self, branch: Branch, payload: str | None) -> list[Raw]:
        """Return the result of each item of a branch, as it stands in the branch's payload."""
        if payload is None:  # another SDK may record none
            return [NO_RESULT] * branch.size
        if branch.is_group:
            return split(payload)
        return [embedded(payload, self.serdes_of(branch.first))]

    @staticmethod
    def failure_of(
        context: Child[str] | VirtualChild[str], error: BaseException
    ) -> ErrorObject | None:
        """Return the error object of a branch that failed: the log's, if that holds the branch's own end."""
        if isinstance(context, Child) and context.record is not None and not context.is_cancelled:
            return context.recorded_error(context.record)
        return capture(error)


def one_for_each(branch: Branch, result: Any, label: str) -> Sequence[Any]:
    """Return the results of a group's function. Raises ``ConfigError`` unless there is one for each item."""
    results: Sequence[Any] = result
    if not isinstance(result, Sequence) or isinstance(result, (str, bytes)):
        returned = f"a {type(results).__name__}"
    elif len(results) != branch.size:
        returned = f"{len(results)} results"
    else:
        return results
    raise ConfigError(
        f"{label}: the function was given a batch of {branch.size} items and returned"
        f" {returned}; it must return a list with one result for each item, in their order"
    )


def check_options(config: Any) -> None:
    """Check the options of a map or a parallel. Raises ``ConfigError``."""
    what = type(config).__name__
    most = config.max_concurrency
    if most is not None and (type(most) is not int or most < 1):
        raise ConfigError(
            f"{what}.max_concurrency is the number of branches that run at a time, 1 or more, or None for no limit;"
            f" not {most!r}"
        )
    if config.completion is not None and not isinstance(config.completion, CompletionConfig):
        raise ConfigError(
            f"{what}.completion must be a CompletionConfig, not {config.completion!r}"
        )
    if not isinstance(config.nesting, NestingType):
        raise ConfigError(f"{what}.nesting must be a NestingType, not {config.nesting!r}")
    check_generator(
        f"{what}.summary_generator", config.summary_generator, "a function of the BatchResult"
    )
    check_serdes(f"{what}.serdes", config.serdes)
    check_serdes(f"{what}.item_serdes", config.item_serdes)
