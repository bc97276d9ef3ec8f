"""Read source code that functions ran: the copy that was kept of it, or the file as it is now."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec

from durable_execution_sdk.dev.functions.versions import versions_path
from durable_execution_sdk.dev.reload.loaded_code import kept_path

__all__ = ["MOST_SOURCE_BYTES", "KeptCode", "Source"]

MOST_SOURCE_BYTES = 1 << 20

_DIGEST = re.compile(r"[0-9a-f]{1,64}")


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A source file; ``is_kept`` is ``False`` for one that may have been edited since it ran."""

    text: str
    is_kept: bool


class KeptCode:
    """Reads the code of the functions of a server over a store.

    The caller names only files that a function has told of: nothing here keeps a reader from other files, but that
    they are Python files of a bounded size.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._versions = versions_path(store).resolve()

    def read(self, code: str | None, file: str) -> Source | None:
        """Return a file as code of this digest has it; ``None`` if it is not there, or is too large."""
        kept = None if code is None else self._kept(code, file)
        if kept is not None:
            return Source(text=kept, is_kept=True)
        path = Path(file)
        try:
            if path.suffix != ".py" or not path.is_file():
                return None
            content = _read(path)
            is_kept = path.resolve().is_relative_to(self._versions)
        except (OSError, ValueError):
            return None
        return None if content is None else Source(text=_text(content), is_kept=is_kept)

    def _kept(self, code: str, file: str) -> str | None:
        # The digest is in the log, which may come from another computer.
        if not _DIGEST.fullmatch(code):
            return None
        try:
            texts: dict[str, str] = json.loads(kept_path(self._store, code).read_bytes())
        except (OSError, ValueError):
            return None
        if file not in texts or len(texts[file]) > MOST_SOURCE_BYTES:
            return None
        return _text(texts[file].encode("latin-1"))


def _read(path: Path) -> bytes | None:
    with path.open("rb") as opened:
        content = opened.read(MOST_SOURCE_BYTES + 1)
    return None if len(content) > MOST_SOURCE_BYTES else content


def _text(content: bytes) -> str:
    return content.decode("utf-8-sig", "replace")
