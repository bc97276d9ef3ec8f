"""Map: one function over many items, each in a context of its own."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, get_args, get_origin

from durable_execution_sdk.batch_completion import CompletionConfig
from durable_execution_sdk.duration import Duration, DurationLike, check_time_limit
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.operations.fan_out.batch_result import BatchResult
from durable_execution_sdk.operations.fan_out.grouping import Batches, ItemBatcher
from durable_execution_sdk.operations.fan_out.items import (
    NEVER,
    NOT_YET,
    Nothing,
    Supply,
    supply_of,
)
from durable_execution_sdk.operations.fan_out.operation import FanOut, check_room
from durable_execution_sdk.operations.fan_out.plan import Branch, NestingType, Plan, check_options
from durable_execution_sdk.operations.lifecycle.argument_checks import check_config, checked_name
from durable_execution_sdk.protocol.operations import OperationSubType
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.serdes import JsonSerDes, SerDes, serdes_for_type

__all__ = ["MapConfig", "map_items"]

Call = Callable[[ContextState, Any, int], Awaitable[Any]]


class MapConfig(Options, frozen=True, kw_only=True):
    """The options of a map.

    ``max_concurrency`` is the number of items that run at a time; by default all do. ``completion`` says
    when the batch is decided; by default at the first failure. ``item_namer`` makes the name of an item's
    context from the item and its index. ``item_batcher`` groups items: the function then gets a list of
    items, and returns a list with one result for each.

    ``serdes`` writes the ``BatchResult``. ``item_serdes`` writes each item's result; by default the
    function's return annotation decides. ``summary_generator`` makes the text that the log shows for a batch
    above 262,144 bytes, which is not stored but built again from its items on replay. ``nesting`` says if
    each item is an operation of its own.

    With ``progress_every``, the map reports how many of its items have ended as the status of the execution
    (``ctx.progress``, with the map's name as the label): at most once in that time, and once at its end. Each report
    that is recorded costs one operation.

    ``item_timeout``, 1 s to 366 days, limits the time of each item from its start; then its function is cancelled and
    everything in it given up, and it counts as failed, with a ``ChildContextTimeoutError``. With an ``item_batcher``
    it is the limit of each group. It costs one operation more for each item that has not ended within 0.2 s.
    """

    max_concurrency: int | None = None
    completion: CompletionConfig | None = None
    item_namer: Callable[[Any, int], str] | None = None
    item_batcher: ItemBatcher | None = None
    serdes: SerDes[Any] | None = None
    item_serdes: SerDes[Any] | None = None
    summary_generator: Callable[[BatchResult[Any]], str] | None = None
    nesting: NestingType = NestingType.NESTED
    progress_every: DurationLike | None = None
    item_timeout: DurationLike | None = None

    def __post_init__(self) -> None:
        """Check the options. Raises ``ConfigError``."""
        check_options(self)
        if self.item_timeout is not None:
            check_time_limit("MapConfig.item_timeout", self.item_timeout)
        if self.item_namer is not None and not callable(self.item_namer):
            raise ConfigError(
                "MapConfig.item_namer must be a function of an item and its index, not"
                f" {self.item_namer!r}"
            )
        if self.item_batcher is not None and not isinstance(self.item_batcher, ItemBatcher):
            raise ConfigError(
                f"MapConfig.item_batcher must be an ItemBatcher, not {self.item_batcher!r}"
            )
        if self.progress_every is not None:
            Duration.of(self.progress_every, "MapConfig.progress_every")


class _Branches:
    """A supply of branches: one for each item, or for each group of items."""

    def __init__(self, items: Supply[Any], call: Call, config: MapConfig) -> None:
        batcher = config.item_batcher
        self._is_batched = batcher is not None
        self._items: Supply[Any] = items if batcher is None else Batches(items, batcher)
        self._call = call
        self._namer = config.item_namer
        self._given = 0

    @property
    def total(self) -> int | None:
        """The number of items; ``None`` if it is not known."""
        return self._items.total

    def pull(self, notify: Callable[[], None]) -> Branch | Nothing:
        """Return the next branch, ``NOT_YET`` or ``NEVER``."""
        item = self._items.pull(notify)
        if item is NOT_YET or item is NEVER:
            return item
        index = self._given
        self._given += 1
        given_name = None
        if self._namer is not None:
            given_name = checked_name(self._namer(item, index), "map item")
        return Branch(
            name=given_name or f"map-{'batch' if self._is_batched else 'item'}-{index}",
            given_name=given_name,
            call=self._call,
            item=item,
            index=index,
            size=len(item) if self._is_batched else 1,
            is_group=self._is_batched,
        )

    def close(self) -> None:
        """Stop: no more branches are needed."""
        self._items.close()


def map_items(
    scope: IdScope,
    items: object,
    call: Call,
    name: str | None,
    config: MapConfig | None,
    result_serdes: SerDes[object],
) -> Handle[BatchResult[object]]:
    """Start a map. ``call`` calls the function in an item's context."""
    check_config("ctx.map", config, MapConfig)
    chosen = config or MapConfig()
    supply = supply_of(items, scope, "ctx.map", _validation(chosen.completion))
    serdes = chosen.item_serdes or result_serdes
    if chosen.item_serdes is None and chosen.item_batcher is not None:
        serdes = _element(result_serdes)
    plan = Plan(
        branch_type=OperationSubType.MAP_ITERATION,
        completion=chosen.completion,
        max_concurrency=chosen.max_concurrency,
        nesting=chosen.nesting,
        serdes_of=lambda _: serdes,
        serdes=chosen.serdes,
        summary_generator=chosen.summary_generator,
        branches=supply.total if chosen.item_batcher is None else None,
        report=None if chosen.progress_every is None else _report(chosen.progress_every),
        timeout=chosen.item_timeout,
    )
    if chosen.nesting is NestingType.NESTED:
        fewest = _fewest_branches(supply.total, chosen.item_batcher)
        check_room(scope, "ctx.map", name, fewest, chosen.completion)
    branches = _Branches(supply, call, chosen)
    return FanOut[Any](scope, branches, plan, name, OperationSubType.MAP).handle


def _report(every: DurationLike) -> Callable[[ContextState, int, int | None, bool], None]:
    """Return a function that sets the status of the execution to the progress of the map."""
    from durable_execution_sdk.operations.status import report_items  # noqa: PLC0415 - only with the option

    return partial(report_items, every)


def _fewest_branches(total: int | None, batcher: ItemBatcher | None) -> int:
    """Return the fewest contexts that the items of a map have, as far as that is known."""
    if not total or batcher is None:
        return total or 0
    # Groups that are limited by bytes may be smaller.
    return math.ceil(total / (batcher.max_items or total))


def _validation(completion: CompletionConfig | None) -> Callable[[int], None] | None:
    """Return a check of the number of items; ``None`` if the completion rules do not depend on it."""
    if completion is None:
        return None
    # A tolerance of 0 or 100 percent fits any number of items.
    share_counts = completion.tolerated_failure_percentage not in (None, 0, 100)
    if completion.min_successful is None and not share_counts:
        return None
    return lambda total: completion.validate_against(total, "ctx.map")


def _element(serdes: SerDes[object]) -> SerDes[object]:
    """Return the serdes for one result of a group, given that for the list of them."""
    if not isinstance(serdes, JsonSerDes):
        return serdes
    kind: Any = serdes.type_
    origin, args = get_origin(kind), get_args(kind)
    is_sequence = isinstance(origin, type) and issubclass(origin, Sequence)
    if is_sequence and (len(args) == 1 or args[1:] == (...,)):
        return serdes_for_type(args[0])
    return serdes_for_type(Any)
