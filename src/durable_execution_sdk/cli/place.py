"""Where executions are kept, and how they are found there by name."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from durable_execution_sdk.cli.refusal import Refusal
from durable_execution_sdk.emulator.clock import Clock, RealClock
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions import Functions
from durable_execution_sdk.emulator.stores.family import FamilyStore
from durable_execution_sdk.emulator.stores.sqlite import DEFAULT_PATH

_IGNORE = "# What durable keeps here is nobody's source.\n*\n"


class Place:
    """A store file on disk."""

    def __init__(self, given: str | None) -> None:
        path = DEFAULT_PATH if given is None else Path(given)
        self.path = path / DEFAULT_PATH.name if path.is_dir() else path
        self._given = given

    def command(self, *words: str) -> str:
        """A command line that works with this store, to show to a user."""
        store = [] if self._given is None else ["--store", self._given]
        return shlex.join(["durable", *words, *store])

    @contextmanager
    def opened(
        self, functions: Functions | None = None, clock: Clock | None = None
    ) -> Generator[Emulator]:
        """An emulator over the store, which is made if it is not there."""
        if self.path == DEFAULT_PATH and not self.path.parent.exists():
            self.path.parent.mkdir(mode=0o700)
            (self.path.parent / ".gitignore").write_text(_IGNORE)
        store = FamilyStore(self.path)
        emulator = Emulator(store, clock or RealClock(), functions or Functions())
        try:
            yield emulator
        finally:
            emulator.close()

    @contextmanager
    def existing(self) -> Generator[Emulator]:
        """An emulator over a store that must be there."""
        if not self.path.exists():
            raise Refusal(
                f"there is no store {self.path}: nothing has run here yet, or it is elsewhere"
                " (--store PATH)"
            )
        with self.opened() as emulator:
            yield emulator

    def arn(self, emulator: Emulator, name: str) -> str:
        """The ARN of the execution that has this name, or is this one."""
        arn = emulator.find_name(name)
        if arn is None and emulator.store.find(name) is not None:
            arn = name
        if arn is None:
            raise Refusal(
                f"there is no execution {name!r} in {self.path}; `{self.command('list')}` shows"
                " those that are there"
            )
        return arn
