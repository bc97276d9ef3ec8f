"""The store file of the command, and executions in it by name."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Container, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.dev.discovery_file import ServerAddress, find_server
from durable_execution_sdk.dev.execution_references import executions_named
from durable_execution_sdk.dev.reload.held_file import HeldExecution, read_held
from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.runs import Runs
from durable_execution_sdk.emulator.stores.single_execution import SingleExecutionStore
from durable_execution_sdk.emulator.stores.sqlite import DEFAULT_PATH
from durable_execution_sdk.emulator.stores.store import Search
from durable_execution_sdk.protocol.ids import ExecutionArn

_MOST_SHOWN = 5
_MOST_COMPARED = 500
_LEAST_SIMILAR = 0.8

_IGNORE = "# The executions that durable stores here are not source code.\n*\n"


def names(emulator: Emulator, function: str | None = None) -> list[str]:
    """Return the names of the newest executions, of one function if it is given."""
    found = emulator.store.search(Search(function=function, limit=_MOST_COMPARED))
    return [record.name for record in found]


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """Return the names that a mistyped one may stand for, the nearest first."""
    return difflib.get_close_matches(name, known, n=3, cutoff=_LEAST_SIMILAR)


class ExecutionPlace(Protocol):
    """A store file, or an endpoint of Lambda's API, as views of executions need it."""

    @property
    def held(self) -> Container[str]:
        """The ARNs of the executions that a development server holds."""
        ...

    def command(self, *words: str) -> str:
        """Write a command line for this place, to show to a user."""
        ...

    def reference(self, arn: str, name: str) -> str:
        """Return the word of commands for an execution, or a callback of it, by its name or ``NAME/OPERATION``."""
        ...


class Place:
    """The path of a store file, and the option that named it."""

    def __init__(self, option: str | None) -> None:
        path = DEFAULT_PATH if option is None else Path(option)
        self.path = path / DEFAULT_PATH.name if path.is_dir() else path
        self.runs = Runs(self.path)
        self._given = option

    @property
    def server(self) -> ServerAddress | None:
        """The development server that runs this store, if one does."""
        return find_server(self.path)

    @property
    def held(self) -> dict[str, HeldExecution]:
        """The executions that the development server of this store holds, by ARN."""
        return {} if self.server is None else read_held(self.path)

    def command(self, *words: str) -> str:
        """Write a command line for this store, to show to a user."""
        store = [] if self._given is None else ["--store", self._given]
        return shlex.join(["durable", *words, *store])

    def reference(self, arn: str, name: str) -> str:
        """Return the word of commands for an execution, or a callback of it: names are those of the store."""
        del arn
        return name

    def prepared(self) -> Path:
        """Return the path, in a folder that exists; git ignores the default one."""
        if self.path == DEFAULT_PATH and not self.path.parent.exists():
            self.path.parent.mkdir(mode=0o700)
            (self.path.parent / ".gitignore").write_text(_IGNORE)
        return self.path

    @contextmanager
    def opened(self, functions: Functions | None = None) -> Generator[Emulator]:
        """Open an emulator over the store; make the file if it does not exist."""
        store = SingleExecutionStore(self.prepared())
        emulator = Emulator(store, RealClock(), functions or Functions())
        try:
            yield emulator
        finally:
            emulator.close()

    @contextmanager
    def existing(self) -> Generator[Emulator]:
        """Open an emulator over a store that exists; raises ``Refusal`` if it does not."""
        if not self.path.exists():
            raise Refusal(
                f"there is no store {self.path}: nothing has run here yet, or it is elsewhere"
                " (--store PATH)"
            )
        with self.opened() as emulator:
            yield emulator

    def arn(self, emulator: Emulator, reference: str) -> str:
        """Return the ARN of the execution that a reference names; see ``find``.

        Raises ``Refusal`` if there is none, or several.
        """
        arn = self.find(emulator, reference)
        if arn is None:
            close = nearest(reference, names(emulator))
            meant = f"; did you mean {' or '.join(map(repr, close))}?" if close else ";"
            parts = ExecutionArn.read(reference)
            if parts is not None:
                meant = f"; one at AWS takes --region {parts.region}, --profile or --endpoint;"
            raise Refusal(
                f"there is no execution {reference!r} in {self.path}{meant} `{self.command('list')}` shows"
                " those that are there"
            )
        return arn

    def find(self, emulator: Emulator, reference: str) -> str | None:
        """Return the ARN of the execution that a reference names, if any.

        A reference is a name, an ARN, the beginning of an id, or ``@last``, the execution that was started
        last. Raises ``Refusal`` if several ids begin so.
        """
        records = executions_named(emulator, reference, _MOST_SHOWN + 1)
        if len(records) > 1:
            names = [record.name for record in records[:_MOST_SHOWN]]
            more = ", ..." if len(records) > _MOST_SHOWN else ""
            raise Refusal(
                f"several executions have an id that begins with {reference!r}: {', '.join(names)}{more};"
                " give more of the id, or the name"
            )
        return records[0].arn if records else None
