"""``durable init``: write a small application, with tests and a template to deploy it."""

from __future__ import annotations

from pathlib import Path

import click

from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.refusals import ExitCode, Refusal
from durable_execution_sdk.scaffold.project import (
    DeployTool,
    project_files,
    project_name,
    write_project,
)


@click.command(short_help="Write a small application to start from.")
@click.argument("directory", metavar="[DIR]", default=".")
@click.option("--name", metavar="NAME", help="The project's name; that of the folder if left out.")
@click.option(
    "--with",
    "tool",
    type=click.Choice([tool.value for tool in DeployTool]),
    default=DeployTool.SAM.value,
    show_default=True,
    help="The tool that deploys it.",
)
def init(directory: str, name: str | None, tool: str) -> int:
    """Write a small application into DIR, by default this folder: orders, with approval and a map.

    It has typed code, tests, a recorded history, checks for CI, and a template for AWS SAM or AWS CDK.
    Existing files are never overwritten: if there is one in the place of another, nothing is written.
    """
    if not directory:
        raise Refusal("DIR is empty: name a folder, or leave it out for this one")
    folder = Path(directory)
    chosen = project_name(folder.resolve().name if name is None else name)
    files = project_files(chosen, DeployTool(tool))
    try:
        write_project(folder, files)
    except OSError as error:
        raise Refusal(f"{folder} cannot be written to: {error}") from error
    for path in sorted(files):
        say(str(folder / path))
    say(f"{folder / 'README.md'} tells what to do next", err=True)
    return ExitCode.SUCCEEDED
