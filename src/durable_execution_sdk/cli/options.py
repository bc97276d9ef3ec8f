"""Options that several commands share."""

from __future__ import annotations

import click

store_option = click.option(
    "--store",
    metavar="PATH",
    envvar="DURABLE_STORE",
    help="The SQLite file that keeps executions.  [default: .durable/executions.db]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
