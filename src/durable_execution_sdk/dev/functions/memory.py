"""The most memory that a process has used."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def peak_kilobytes(pid: int | None) -> int | None:
    """Return the most memory that a running process has used; ``None`` where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return None
