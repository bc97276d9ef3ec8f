"""A session of the development server: functions in processes, in a server of the test's own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.dev.dev_server_rig import Client

from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime, handler_of
from durable_execution_sdk.dev.session import DevSession, SessionOptions


@dataclass(frozen=True)
class SessionClient(Client):
    """A client of the routes of a session."""

    session: DevSession

    def row_until(self, name: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the row of an execution is as wanted; return it."""
        listed = self.get("/_durable/executions")
        for row in listed["executions"]:
            if row["durable_execution_name"] == name and wanted(row):
                return row

        def fits(message: dict[str, Any]) -> bool:
            row = message["data"]
            return (
                message["event"] == "execution"
                and row["durable_execution_name"] == name
                and wanted(row)
            )

        return self.until(f"/_durable/events?since={listed['number']}", fits)["data"]

    def until_activity(self, name: str, activity: str) -> dict[str, Any]:
        """Wait until an execution does something, such as to be suspended."""
        return self.row_until(name, lambda row: row["activity"] == activity)


def declared(folder: Path, names: Sequence[str], file: str = "app.py") -> list[Declaration]:
    """Declare durable functions of a file, each named as its attribute."""
    declarations = []
    for name in names:
        root, handler = handler_of(folder / file, name)
        declarations.append(
            Declaration(name=name, runtime=Runtime.PYTHON, root=root, handler=handler)
        )
    return declarations


@contextmanager
def session_of(
    store: Path, declarations: Sequence[Declaration], **options: Any
) -> Iterator[SessionClient]:
    with DevSession(SessionOptions(store=store, **{"port": 0, **options})) as session:
        session.add(declarations)
        yield SessionClient(session.server, session)
