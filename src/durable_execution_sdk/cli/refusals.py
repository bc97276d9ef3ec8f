"""The command's usage errors and exit codes."""

from __future__ import annotations

from enum import IntEnum
from typing import IO, Any

import click

from durable_execution_sdk.rendering.escaping import visible


class ExitCode(IntEnum):
    """Exit codes of the command."""

    SUCCEEDED = 0
    FAILED = 1
    REFUSED = 2
    SUSPENDED = 3
    BROKEN = 70
    INTERRUPTED = 130


class Refusal(click.ClickException):
    """A command that is not possible; nothing was changed. ``message`` is one paragraph.

    ``detail`` is text that does not fit a paragraph, such as the traceback of the user's module.
    """

    exit_code = ExitCode.REFUSED

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message and the detail to stderr."""
        complain(self.message)
        if self.detail:
            click.echo(f"\n{visible(self.detail)}", err=True, file=file)


def complain(message: str) -> None:
    """Write an error message to stderr."""
    click.echo(f"durable: {visible(message)}", err=True)
