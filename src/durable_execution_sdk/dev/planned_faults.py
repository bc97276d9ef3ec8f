"""The file beside a store that keeps the planned faults of its executions, so that they outlive a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from durable_execution_sdk.dev.private_file import write_private_file
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.faults.live import LiveFault

__all__ = ["keep_faults"]


def keep_faults(emulator: Emulator, store: Path) -> None:
    """Go on with the faults that an earlier server over a store has planned, and keep those to come."""
    path = Path(f"{store}.faults.json")

    def save(planned: Mapping[str, Sequence[LiveFault]]) -> None:
        # A fault that cannot be kept strikes all the same.
        with suppress(OSError):
            if planned:
                write_private_file(path, msgspec.json.encode(planned))
            else:
                path.unlink(missing_ok=True)

    planned = {arn: faults for arn, faults in _read(path).items() if _is_open(emulator, arn)}
    emulator.faults.keep(planned, save)


def _read(path: Path) -> dict[str, list[LiveFault]]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, list[LiveFault]])
    except (OSError, msgspec.DecodeError):
        return {}


def _is_open(emulator: Emulator, arn: str) -> bool:
    record = emulator.store.find(arn)
    return record is not None and record.is_open
