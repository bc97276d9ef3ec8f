"""``durable history``: the events of an execution, in order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import nullcontext

import click
import msgspec

from durable_execution_sdk.cli.following import Follower, end_of_following, interruptible
from durable_execution_sdk.cli.options import (
    Endpoint,
    endpoint_options,
    full_option,
    json_option,
    name_argument,
    store_option,
)
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.outcome import exit_code
from durable_execution_sdk.cli.refusals import ExitCode, Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.views.history import history as history_of
from durable_execution_sdk.protocol import control_plane_codec
from durable_execution_sdk.protocol.control_plane import HistoryPage
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.rendering.failures import is_failure
from durable_execution_sdk.rendering.origins import origin_of
from durable_execution_sdk.rendering.payloads import payload_lines
from durable_execution_sdk.rendering.times import at as time_at
from durable_execution_sdk.rendering.wording import EventTexts, payloads_of


@click.command()
@name_argument
@store_option
@full_option
@click.option("--failed", is_flag=True, help="Show only failures, those of attempts included.")
@click.option(
    "--follow", is_flag=True, help="Show further events until the execution has ended or is held."
)
@endpoint_options
@json_option
def history(
    name: str,
    store: str | None,
    full: bool,
    failed: bool,
    follow: bool,
    as_json: bool,
    at: Endpoint,
) -> int:
    """Show the events of an execution, in order.

    NAME is the execution's name, its ARN, the beginning of its id, or @last. At an endpoint it is
    FUNCTION/NAME, FUNCTION/@last or an ARN.
    """
    if as_json and (full or failed or follow):
        raise Refusal(
            "--json writes one document, the whole history up to now, which durable replay reads: leave out"
            " --full, --failed and --follow"
        )
    if at.is_given:
        return _history_remote(name, at, full=full, failed=failed, follow=follow, as_json=as_json)
    place = Place(store)
    with place.existing() as emulator:
        arn = place.arn(emulator, name)
        if as_json:
            say(_document(emulator, arn))
            return ExitCode.SUCCEEDED
        events = _events_until_end(emulator, arn, place) if follow else _events(emulator, arn)
        with interruptible() if follow else nullcontext():
            _say_events(emulator, arn, events, full=full, failed=failed)
        return end_of_following(emulator, arn, place) if follow else ExitCode.SUCCEEDED


def _history_remote(
    name: str, at: Endpoint, *, full: bool, failed: bool, follow: bool, as_json: bool
) -> int:
    from durable_execution_sdk.cli.remote.views import (  # noqa: PLC0415 - only for endpoints
        EndpointView,
    )

    view = EndpointView(name, at)
    if as_json:
        say(view.history_document())
        return ExitCode.SUCCEEDED
    events = view.events_until_end() if follow else _events(view.emulator, view.arn)
    with interruptible() if follow else nullcontext():
        _say_events(view.emulator, view.arn, events, full=full, failed=failed)
    return exit_code(view.emulator, view.arn) if follow else ExitCode.SUCCEEDED


def _say_events(
    emulator: Emulator, arn: str, events: Iterable[HistoryEvent], *, full: bool, failed: bool
) -> None:
    texts = EventTexts(payloads=not full)
    for event in events:
        # Also the text of an event that is not shown: the paths of later ones contain its name.
        text = texts.text(event)
        if not failed or is_failure(event):
            moment = time_at(event.event_timestamp, emulator.now(arn))
            say(f"{event.event_id:>5}  {moment}  {text}")
            if full:
                _say_payloads(event)


def _document(emulator: Emulator, arn: str) -> str:
    """Write the API's page, plus the ARNs from which replay derives ctx.uuid4() and ctx.random().

    For a fork that is the ARN of the first execution in its line.
    """
    page = msgspec.json.decode(
        control_plane_codec.encode_history_page(HistoryPage(events=_events(emulator, arn)))
    )
    arns = {"DurableExecutionArn": arn}
    recorded = emulator.progress(arn).forked_from
    origin = origin_of(arn, recorded, emulator.describe(arn).input_payload)
    if origin is not None:
        arns["ForkedFromArn"] = origin.first_arn
    return json.dumps({**arns, **page}, indent=2, ensure_ascii=False)


def _events(emulator: Emulator, arn: str, after: int = 0) -> list[HistoryEvent]:
    return history_of(emulator.recording(arn)())[after:]


def _events_until_end(emulator: Emulator, arn: str, place: Place) -> Iterator[HistoryEvent]:
    shown = 0
    for _ in Follower(emulator, arn, place).changes():
        if emulator.store.find(arn) is None:
            raise Refusal(f"{arn} was deleted by another process")
        for event in _events(emulator, arn, shown):
            shown += 1
            yield event


def _say_payloads(event: HistoryEvent) -> None:
    for kind, payload in payloads_of(event):
        first, *others = payload_lines(payload)
        say(f"{'':>7}{kind}: {first}")
        for line in others:
            say(f"{'':>7}{line}")
