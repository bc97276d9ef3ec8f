"""Parse the lines of pages that call the ``durable`` command."""

from __future__ import annotations

import shlex

import click

from durable_execution_sdk.cli.main import durable


def parsed(line: str) -> click.Context:
    """Parse the words of a command; raise ``click.UsageError`` for an option that there is not."""
    _, name, *words = shlex.split(line, comments=True)
    command = durable.get_command(click.Context(durable), name)
    assert command is not None, line
    return command.make_context(name, words)
