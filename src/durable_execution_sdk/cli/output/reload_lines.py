"""The lines that a development server writes when functions are loaded, and executions held."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from durable_execution_sdk.cli.output.background_lines import BackgroundLines
from durable_execution_sdk.cli.output.held_executions import finding_lines, fork_command
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.discovery.found import Found
from durable_execution_sdk.dev.reload.findings import Finding
from durable_execution_sdk.protocol.ids import ExecutionArn

if TYPE_CHECKING:
    from durable_execution_sdk.dev.reload.loaded_code import Load


class ReloadLines:
    """Writes the news of a reloader. Thread-safe."""

    def __init__(self, place: Place, lines: BackgroundLines) -> None:
        self._place = place
        self._say = lines.say
        self._lock = threading.Lock()
        self._notices: set[str] | None = None

    def begin(self, found: Found) -> None:
        """Take the functions that were found first, about which the caller has written."""
        with self._lock:
            self._notices = set(found.notices)

    def loaded(self, load: Load, found: Found) -> None:
        """Write what has changed, and what has become of files that could not be imported."""
        with self._lock:
            if self._notices is None:
                return
            new = [notice for notice in found.notices if notice not in self._notices]
            self._notices = set(found.notices)
        for notice in new:
            self._say(notice, err=True)
        if new and found.broken:
            self._say("the functions in it keep their code until it is mended", err=True)
        for title, names in (
            ("loaded again", load.changed),
            ("found", load.added),
            ("not found any more; their executions wait", load.removed),
        ):
            if names:
                self._say(f"{title}: {', '.join(sorted(names))}")

    def held(self, arn: str, finding: Finding) -> None:
        """Write about an execution that does not fit the code, and the ways to go on."""
        name = ExecutionArn.parse(arn).execution_name
        for line in finding_lines(name, finding):
            self._say(line)
        place = self._place
        self._say("  it goes on once an edit of the code fits. Or:")
        self._say(f"    begin anew before that:  {fork_command(place, name, finding)}")
        self._say(f"    run it as it is:         {place.command('resume', name, '--anyway')}")
        self._say(f"    end it:                  {place.command('stop', name)}")

    def released(self, arn: str) -> None:
        """Write that an execution is not held any more."""
        self._say(f"{ExecutionArn.parse(arn).execution_name} is not held any more")

    def unrehearsed(self, arn: str, reason: str) -> None:
        """Write that nothing was found out about an execution, and why."""
        name = ExecutionArn.parse(arn).execution_name
        self._say(f"{name} goes on with edited code that was not rehearsed: {reason}", err=True)

    def failed(self, error: str) -> None:
        """Write the reason for which nothing was loaded."""
        self._say(f"nothing was loaded: {error}", err=True)
