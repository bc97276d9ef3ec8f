"""The place of executions as the views of them need it: a store file, or an endpoint of Lambda's API."""

from __future__ import annotations

from collections.abc import Container
from typing import Protocol


class ExecutionPlace(Protocol):
    """The words of commands for the executions of a place, and those that are held there."""

    @property
    def held(self) -> Container[str]:
        """The ARNs of the executions that a development server holds."""
        ...

    def command(self, *words: str) -> str:
        """Write a command line for this place, to show to a user."""
        ...

    def reference(self, arn: str, name: str) -> str:
        """Return the word of commands for an execution, or a callback of it, by its name or ``NAME/OPERATION``."""
        ...
