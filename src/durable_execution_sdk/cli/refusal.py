"""How the command says no, and what its exit codes mean."""

from __future__ import annotations

from enum import IntEnum
from typing import IO, Any

import click

from durable_execution_sdk.showing.visible import visible


class ExitCode(IntEnum):
    """What a shell learns from the command."""

    SUCCEEDED = 0
    FAILED = 1
    REFUSED = 2
    SUSPENDED = 3
    BROKEN = 70


class Refusal(click.ClickException):
    """Something that cannot be done as it was asked: one clear paragraph, and nothing was changed.

    ``detail`` is what does not fit a paragraph: the traceback of the user's own module.
    """

    exit_code = ExitCode.REFUSED

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail

    def show(self, file: IO[Any] | None = None) -> None:
        """Write it to stderr."""
        complain(self.message)
        if self.detail:
            click.echo(f"\n{visible(self.detail)}", err=True, file=file)


def complain(message: str) -> None:
    """Say on stderr why something did not work."""
    click.echo(f"durable: {visible(message)}", err=True)
