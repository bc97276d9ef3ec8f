"""Files beside a store that only their user may read."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_private_file(path: Path, content: bytes) -> None:
    """Write a file with mode 0600; readers see the old content or the new one."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)
