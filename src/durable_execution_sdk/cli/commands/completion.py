"""``durable completion``: the script that lets a shell complete commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from durable_execution_sdk.cli.output.lines import say

VARIABLE = "_DURABLE_COMPLETE"
"""The environment variable by which the script asks the command for completions."""


_EPILOG = """\b
How to use it:
  bash:  eval "$(durable completion bash)"    in ~/.bashrc
  zsh:   eval "$(durable completion zsh)"     in ~/.zshrc
  fish:  durable completion fish | source     in ~/.config/fish/config.fish
"""


@click.command(epilog=_EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script for completion in a shell.

    It completes commands, options, and names of executions, functions and callbacks.
    """
    script = get_completion_class(shell)
    assert script is not None
    command = context.find_root().command
    say(script(command, {}, "durable", VARIABLE).source())
