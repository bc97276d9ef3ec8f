"""Types for tests that call the command and read its output."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CommandOutput:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def result(self) -> Any:
        """Parse the last line of stdout as JSON."""
        return json.loads(self.out.splitlines()[-1])


Durable = Callable[..., CommandOutput]
Write = Callable[..., str]
