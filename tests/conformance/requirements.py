"""The requirements of AWS's conformance suite, read from where they lie: they are no part of this project."""

from __future__ import annotations

import os
import random
import re
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

VARIABLE = "CONFORMANCE_REQUIREMENTS"
"""The environment variable that says where they lie, when that is not beside the checkout."""

_BESIDE = Path(__file__).parents[2].parent / "shared" / "conformance"
# Each worker reads all of them, which takes Python's own reader seconds.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_GENERATED = re.compile(r"\$\{GEN_STR:(\d+)\}")


def folder() -> Path:
    """The folder of the requirements, which may not exist."""
    return Path(os.environ.get(VARIABLE) or _BESIDE)


def required(wanted: Callable[[Requirement], bool] = lambda _: True) -> list[Any]:
    """Requirements, one for each run of a test; without any, the test is skipped, and says so."""
    where = folder()
    found = load(where) if where.is_dir() else []
    if not found:
        reason = (
            f"no conformance requirements in {where}: put them there, or name another folder in"
            f" {VARIABLE}"
        )
        return [pytest.param(None, id="none", marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(each, id=each.id) for each in found if wanted(each)]


@dataclass(frozen=True)
class Requirement:
    """One requirement: what to invoke a handler with, and what is to come of it."""

    id: str
    suite: str
    description: str
    content: dict[str, Any]
    is_asynchronous: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_asynchronous", bool(self.content.get("AsyncInvoke")))

    @property
    def result(self) -> dict[str, Any] | None:
        return self.content.get("ExpectedResult")

    @property
    def history(self) -> list[dict[str, Any]]:
        return self.content.get("ExpectedExecutionHistory") or []

    @property
    def lists_everything(self) -> bool:
        """True if it holds the whole history, and not only its beginning."""
        return len(self.history) > 1 and self.result is not None

    @property
    def logs(self) -> list[dict[str, Any]]:
        return self.content.get("ExpectedLogs") or []

    @property
    def actions(self) -> list[dict[str, Any]]:
        return self.content.get("CallbackActions") or []

    @property
    def event(self) -> Any:
        return self.content.get("Input")

    def variables(self, chance: random.Random) -> dict[str, Any]:
        """The values of its variables in one run."""
        declared: dict[str, Any] = self.content.get("Variables") or {}
        return {name: _value(value, chance) for name, value in declared.items()}


@cache
def load(where: Path) -> list[Requirement]:
    """All requirements in a folder, in the order of their numbers."""
    found = [_read(path) for path in where.glob("*/*.yaml")]
    return sorted(found, key=lambda each: tuple(map(int, each.id.split("-"))))


def _read(path: Path) -> Requirement:
    content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    description = " ".join(content["description"].split())
    return Requirement(path.stem, path.parent.name, description, content)


def _value(declared: Any, chance: random.Random) -> Any:
    generated = _GENERATED.fullmatch(declared) if isinstance(declared, str) else None
    if generated is None:
        return declared
    letters = string.ascii_lowercase + string.digits
    return "".join(chance.choices(letters, k=int(generated[1])))
