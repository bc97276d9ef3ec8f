"""The functions that were found, and what was not understood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from durable_execution_sdk.dev.functions.declaration import Declaration


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Declarations, and a sentence for each function that cannot run here or file that cannot be read.

    ``broken`` are the paths of the files that cannot be imported.
    """

    declarations: list[Declaration] = []
    notices: list[str] = []
    broken: list[str] = []

    @staticmethod
    def together(parts: Iterable[Found]) -> Found:
        """Return all functions; those that share a name get that of their file before it."""
        declarations: list[Declaration] = []
        notices: list[str] = []
        broken: list[str] = []
        for part in parts:
            declarations += part.declarations
            notices += part.notices
            broken += part.broken
        counts = Counter(declaration.name for declaration in declarations)
        renamed = [
            declaration if counts[declaration.name] == 1 else _renamed(declaration)
            for declaration in declarations
        ]
        return Found(
            declarations=_unique(renamed, notices),
            notices=list(dict.fromkeys(notices)),
            broken=broken,
        )


def _renamed(declaration: Declaration) -> Declaration:
    module = declaration.handler.rpartition(".")[0]
    stem = Path(module).name.replace(".", "_") or Path(declaration.root).name
    return msgspec.structs.replace(declaration, name=f"{stem}_{declaration.name}")


def _unique(declarations: list[Declaration], notices: list[str]) -> list[Declaration]:
    by_name: dict[str, Declaration] = {}
    for declaration in declarations:
        first = by_name.setdefault(declaration.name, declaration)
        if first is not declaration:
            notices.append(
                f"two functions are called {declaration.name}: {first.handler} in {first.root} is used,"
                f" and {declaration.handler} in {declaration.root} is not; name one by --function"
            )
    return list(by_name.values())
