"""Follow an execution that other processes run, until it has ended."""

from __future__ import annotations

from collections.abc import Iterator

from durable_execution_sdk.emulator.emulator import Emulator


def changes(emulator: Emulator, arn: str) -> Iterator[None]:
    """Yield now, and each time that the execution may have changed, until it has ended or was deleted."""
    with emulator.coordinator.sleeper() as woken:
        while True:
            woken.clear()
            emulator.coordinator.refresh()
            yield
            if emulator.is_closed(arn):
                return
            emulator.clock.wait(None, woken)


def wait_for_end(emulator: Emulator, arn: str) -> None:
    """Wait until an execution has ended or was deleted."""
    for _ in changes(emulator, arn):
        pass
