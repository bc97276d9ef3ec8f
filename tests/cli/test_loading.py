"""The start of a command does not wait for what the others import."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from durable_execution_sdk.cli.main import durable

CHECK = """
import sys
import durable_execution_sdk.cli.main
import durable_execution_sdk.cli.commands.dev
print(*(name for name in sys.modules if name.partition(".")[0] in {"rich", "uvicorn", "starlette"}
        or name.startswith(("durable_execution_sdk.emulator.emulator", "durable_execution_sdk.replay"))))
"""


def test_dev_looks_for_functions_before_it_loads_the_server() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", CHECK], capture_output=True, text=True, check=True, timeout=60
    )
    assert loaded.stdout.split() == []


@pytest.mark.parametrize("name", durable.list_commands(click.Context(durable)))
def test_each_command_is_loaded_by_its_name(name: str) -> None:
    context = click.Context(durable)
    command = durable.get_command(context, name)
    assert command is not None and command.name == name
    assert command.epilog


def test_an_unknown_command_is_none() -> None:
    assert durable.get_command(click.Context(durable), "nope") is None
