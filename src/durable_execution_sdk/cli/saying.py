"""Lines for whoever reads, for as long as somebody does."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import click

from durable_execution_sdk.showing.visible import visible


def say(line: str, *, err: bool = False) -> None:
    """Write a line; that nobody reads it any more is no reason to stop an execution."""
    try:
        click.echo(visible(line), err=err)
    except BrokenPipeError:
        hush(sys.stderr if err else sys.stdout)


def hush(stream: TextIO) -> None:
    """Write nothing more to where nobody listens."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
