"""A plugin that records its calls."""

from __future__ import annotations

from collections import Counter
from typing import Any

from durable_execution_sdk.plugins import DurablePlugin

HOOKS = [name for name in dir(DurablePlugin) if name.startswith("on_")]


class Recorder(DurablePlugin):
    """Records each hook with its info, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def infos(self, hook: str, **wanted: Any) -> list[Any]:
        return [
            info
            for name, info in self.told
            if name == hook and all(getattr(info, key) == want for key, want in wanted.items())
        ]

    def names(self, *hooks: str) -> list[str]:
        """Return hooks with the names of their operations, in order."""
        return [
            f"{hook.removeprefix('on_')} {getattr(info, 'name', '')}".strip()
            for hook, info in self.told
            if not hooks or hook in hooks
        ]

    def ends(self) -> Counter[str]:
        return Counter(info.id for info in self.infos("on_operation_end"))


def _keeps(hook: str) -> Any:
    def keep(self: Recorder, info: Any) -> None:
        self.told.append((hook, info))

    keep.__name__ = hook
    return keep


for _hook in HOOKS:
    setattr(Recorder, _hook, _keeps(_hook))
