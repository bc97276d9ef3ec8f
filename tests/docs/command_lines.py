"""Parse the lines of pages that call the ``durable`` command."""

from __future__ import annotations

import shlex

import click

from durable_execution_sdk.cli.main import durable


def parsed(line: str) -> click.Context:
    """Parse the words of a command; raise ``click.UsageError`` for an option that there is not."""
    _, *words = shlex.split(line, comments=True)
    command: click.Command = durable
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(click.Context(command), name)
        assert found is not None, line
        command = found
    return command.make_context(name, words)
