"""How tests call the command, and what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Said:
    """What the command answered."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def result(self) -> Any:
        """What stands on the last line of stdout."""
        return json.loads(self.out.splitlines()[-1])


Durable = Callable[..., Said]
Write = Callable[..., str]
