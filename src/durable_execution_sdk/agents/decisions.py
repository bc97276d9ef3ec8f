"""The decision of a person about a call of a tool, and the guard that asks for it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from durable_execution_sdk.first_use import Options

__all__ = ["Approval", "Decision"]


class Decision(Struct, frozen=True, kw_only=True):
    """A person's decision about a call of a tool. ``comment`` goes to the model if the call is refused."""

    approved: bool
    comment: str | None = None


class Approval(Options, frozen=True, kw_only=True, eq=False):
    """A guard of a tool; ``human_approval`` makes them."""

    async def ask(self, tool: str, arguments: Mapping[str, object]) -> Decision:
        """Ask a person about a call of a tool."""
        raise NotImplementedError
