"""Options and arguments that several commands share."""

from __future__ import annotations

import click

from durable_execution_sdk.cli.arguments.completion import callback_names, execution_names

store_option = click.option(
    "--store",
    metavar="PATH",
    envvar="DURABLE_STORE",
    help="The SQLite file that keeps executions.  [default: .durable/executions.db]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
full_option = click.option("--full", is_flag=True, help="Show whole payloads, not a line of each.")
input_option = click.option(
    "--input", "payload", metavar="JSON|@FILE|-", help="Another input; the same if left out."
)
anyway_option = click.option(
    "--anyway",
    is_flag=True,
    help="Take a callback's answer that does not fit the type which the code waits for.",
)
name_argument = click.argument("name", shell_complete=execution_names)
callback_argument = click.argument("reference", metavar="CALLBACK", shell_complete=callback_names)
