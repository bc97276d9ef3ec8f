"""Groups of items of a map, which share a context."""

from __future__ import annotations

from collections.abc import Callable

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.operations.fan_out.items import NEVER, NOT_YET, Nothing, Supply
from durable_execution_sdk.protocol.updates import text_bytes
from durable_execution_sdk.serdes import JsonSerDes, ValueContext

__all__ = ["Batches", "ItemBatcher"]


class ItemBatcher(Options, frozen=True, kw_only=True):
    """The limits by which a map groups its items, in order.

    ``max_items`` is the largest number of items of a group, ``max_bytes`` the largest size of its items as
    JSON. An item that is larger is a group by itself.
    """

    max_items: int | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        """Check the limits. Raises ``ConfigError``."""
        for option in ("max_items", "max_bytes"):
            limit = getattr(self, option)
            if limit is not None and (type(limit) is not int or limit < 1):
                raise ConfigError(
                    f"ItemBatcher.{option} is a whole number, 1 or more, not {limit!r}"
                )
        if self.max_items is None and self.max_bytes is None:
            raise ConfigError("ItemBatcher needs max_items, max_bytes, or both")


_json: JsonSerDes[object] = JsonSerDes()


class Batches:
    """The items of a supply in groups, as lists."""

    def __init__(self, items: Supply[object], batcher: ItemBatcher) -> None:
        self._items = items
        self._batcher = batcher
        self._group: list[object] = []
        self._bytes = 0
        self._count = 0

    @property
    def total(self) -> int | None:
        """The number of items, not of groups; ``None`` if it is not known."""
        return self._items.total

    def pull(self, notify: Callable[[], None]) -> list[object] | Nothing:
        """Return the next group, ``NOT_YET`` or ``NEVER``."""
        most = self._batcher.max_items
        while True:
            item = self._items.pull(notify)
            if item is NOT_YET:
                return item
            if item is NEVER:
                return self._group_and(None, 0) if self._group else NEVER
            size = self._size(item)
            limit = self._batcher.max_bytes
            if self._group and limit is not None and self._bytes + size > limit:
                return self._group_and([item], size)
            self._group.append(item)
            self._bytes += size
            if len(self._group) == most:
                return self._group_and(None, 0)

    def close(self) -> None:
        """Stop: no more items are needed."""
        self._items.close()

    def _group_and(self, rest: list[object] | None, size: int) -> list[object]:
        group, self._group, self._bytes = self._group, rest or [], size
        return group

    def _size(self, item: object) -> int:
        if self._batcher.max_bytes is None:
            return 0
        context = ValueContext(
            operation_id="", subject=f"item {self._count} of a map with max_bytes"
        )
        self._count += 1
        return text_bytes(_json.serialize(item, context))
