"""Names that the shell completes: executions, operations, callbacks and functions of the store.

What reads the store is loaded when a shell asks: every command has an argument that is completed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click
from click.shell_completion import CompletionItem

from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.errors import ServiceError, StoreError

if TYPE_CHECKING:
    from durable_execution_sdk.cli.store_file import Place
    from durable_execution_sdk.emulator.emulator import Emulator
    from durable_execution_sdk.emulator.stores.store import ExecutionRecord

_MOST = 200

_Item = TypeVar("_Item")


def execution_names(
    context: click.Context, _: click.Parameter, beginning: str
) -> list[CompletionItem]:
    """Complete the name of an execution, the newest first."""
    from durable_execution_sdk.dev.execution_references import LAST  # noqa: PLC0415 - see above

    def names(emulator: Emulator, place: Place) -> list[CompletionItem]:
        del place
        records = _newest(emulator, beginning or None)
        return [
            CompletionItem(record.name, help=f"{record.function} {record.status}")
            for record in records
            if record.name.startswith(beginning)
        ]

    last = [CompletionItem(LAST, help="the execution that was started last")]
    return [*_from_store(context, names), *(last if LAST.startswith(beginning) else [])]


def callback_names(
    context: click.Context, _: click.Parameter, beginning: str
) -> list[CompletionItem]:
    """Complete the name of a callback that waits."""
    from durable_execution_sdk.rendering.callback_names import all_references  # noqa: PLC0415

    def names(emulator: Emulator, place: Place) -> list[CompletionItem]:
        del place
        return [
            CompletionItem(name) for name in all_references(emulator) if name.startswith(beginning)
        ]

    return _from_store(context, names)


def operation_names(
    context: click.Context, _: click.Parameter, beginning: str
) -> list[CompletionItem]:
    """Complete the name or path of an operation of the execution that the command names."""
    from durable_execution_sdk.cli.operation_references import all_references  # noqa: PLC0415

    def names(emulator: Emulator, place: Place) -> list[CompletionItem]:
        # With an option that has no value yet, click does not give arguments their names.
        given = [context.params.get("name"), *context.args]
        arn = place.find(emulator, next((each for each in given if each), ""))
        found = [] if arn is None else all_references(emulator.progress(arn))
        return [CompletionItem(each) for each in found if each.startswith(beginning)][:_MOST]

    return _from_store(context, names)


def function_names(
    context: click.Context, _: click.Parameter, beginning: str
) -> list[CompletionItem]:
    """Complete the name of a function that has run in the store."""

    def names(emulator: Emulator, place: Place) -> list[CompletionItem]:
        del place
        records = _newest(emulator, None)
        functions = dict.fromkeys(record.function for record in records)
        return [CompletionItem(name) for name in functions if name.startswith(beginning)]

    return _from_store(context, names)


def _newest(emulator: Emulator, text: str | None) -> list[ExecutionRecord]:
    from durable_execution_sdk.emulator.stores.store import Search  # noqa: PLC0415

    return emulator.store.search(Search(text=text, limit=_MOST))


def _from_store(
    context: click.Context, read: Callable[[Emulator, Place], list[_Item]]
) -> list[_Item]:
    """Read a store that exists. Where that is not possible there is nothing to complete."""
    from durable_execution_sdk.cli.store_file import Place  # noqa: PLC0415

    place = Place(context.params.get("store"))
    try:
        with place.existing() as emulator:
            return read(emulator, place)
    except (Refusal, ServiceError, StoreError):
        return []
