"""Read a history from events, or from ``GetDurableExecutionHistory`` in any of its JSON forms.

Timestamps are ``datetime`` objects in botocore, ISO 8601 in the AWS CLI, seconds with fractions on the
wire, and milliseconds in this package. Pages may be one page, a list of pages, or a list of events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import cast

import msgspec

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.fork.envelope import envelope_of
from durable_execution_sdk.fork.lineage import input_of, whole_history
from durable_execution_sdk.fork.seeding import execution_name
from durable_execution_sdk.protocol.history import EventType, HistoryEvent, data_of

__all__ = ["Document", "HistorySource", "read_history"]

HistorySource = (
    Sequence[HistoryEvent]
    | Mapping[str, object]
    | Sequence[Mapping[str, object]]
    | str
    | PathLike[str]
)
"""Events, a page or pages of ``GetDurableExecutionHistory``, or the path of a JSON file with either."""

# Numbers below this are seconds (until the year 5138), others are milliseconds (since 1973).
_MILLISECONDS_FROM = 100_000_000_000


class Document(msgspec.Struct, frozen=True):
    """A complete history, and the execution's ARN if the source has it.

    ``forked_from_arn`` is the ARN of the first execution in a line of forks.
    """

    events: list[HistoryEvent]
    arn: str | None = None
    forked_from_arn: str | None = None

    @property
    def has_payloads(self) -> bool:
        """False if payloads are missing: they were cut off, or the history was fetched without them."""
        return _missing_payload(self.events) is None


def read_history(source: HistorySource, *, needs_payloads: bool = True) -> Document:
    """Read a history and check that it is complete, with payloads unless they are not needed.

    Raises:
        ConfigError: the source cannot be read, is not a history, or lacks events or payloads.
    """
    document = _read(source)
    missing = _missing_payload(document.events)
    if needs_payloads and missing is not None:
        name = source if isinstance(source, (str, PathLike)) else "the history"
        raise ConfigError(
            f"{name} {missing}. Replay needs the payloads: get the history with"
            " IncludeExecutionData=true"
        )
    return document


def _read(source: HistorySource) -> Document:
    if isinstance(source, (str, PathLike)):
        return _from_file(Path(source))
    if isinstance(source, Mapping):
        return _from_pages([source], "the history")
    if not isinstance(source, Sequence):
        raise ConfigError(
            f"a history is a sequence of events, a page of them or a file, not {source!r}"
        )
    events = [event for event in source if isinstance(event, HistoryEvent)]
    if events and len(events) == len(source):
        return _document(_checked(events, "the history"))
    return _from_pages(cast("Sequence[object]", source), "the history")


def _from_file(path: Path) -> Document:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the history {path}: {error.strerror or error}") from error
    try:
        document: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(
            f"{path} is not JSON ({error}). Save a history with `durable history NAME --json` or"
            " `aws lambda get-durable-execution-history`"
        ) from error
    pages = cast("list[object]", document) if isinstance(document, list) else [document]
    return _from_pages(pages, str(path))


def _from_pages(pages: Sequence[object], source: str) -> Document:
    """Merge pages, or single events, into a document."""
    arns: dict[str, str] = {}
    marker: object = None
    raw: list[object] = []
    for item in pages:
        members: Mapping[str, object] = (
            cast("Mapping[str, object]", item) if isinstance(item, Mapping) else {}
        )
        page = members.get("Events")
        if isinstance(page, list):
            raw += cast("list[object]", page)
            marker = members.get("NextMarker")
            texts = ((name, members.get(name)) for name in ("DurableExecutionArn", "ForkedFromArn"))
            arns.update((name, text) for name, text in texts if isinstance(text, str))
        elif "EventType" in members:
            raw.append(members)
        else:
            raise ConfigError(
                f"{source} is not the history of an execution: it has neither Events nor an EventType."
                " Save one with `durable history NAME --json` or"
                " `aws lambda get-durable-execution-history`"
            )
    if marker:
        raise ConfigError(
            f"{source} is only the first part of a history: it ends with a NextMarker. Get all pages"
            " (the AWS CLI does so by default), and save them as a list"
        )
    try:
        events = msgspec.convert([_in_milliseconds(event) for event in raw], list[HistoryEvent])
    except (msgspec.ValidationError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(f"{source} has an event that cannot be read: {error}") from error
    arn = arns.get("DurableExecutionArn")
    return _document(_checked(events, source), arn, arns.get("ForkedFromArn"))


def _document(
    events: list[HistoryEvent], arn: str | None = None, forked_from_arn: str | None = None
) -> Document:
    """Return the document of a history; that of a fork begins with the history of its origin, which it holds."""
    name = (events[0].name or "") if arn is None else execution_name(arn)
    envelope = envelope_of(name, input_of(events[0]))
    if envelope is None:
        return Document(events, arn, forked_from_arn)
    return Document(whole_history(events, name).events, arn, envelope.first_arn)


def _in_milliseconds(value: object, key: str = "") -> object:
    if isinstance(value, Mapping):
        members = cast("Mapping[str, object]", value)
        return {
            name: _in_milliseconds(item, name) for name, item in members.items() if item is not None
        }
    if key.endswith("Timestamp"):
        return _moment(value)
    if isinstance(value, list):
        return [_in_milliseconds(item) for item in cast("list[object]", value)]
    return value


def _moment(value: object) -> object:
    """Convert a timestamp of any form to milliseconds; a time without a zone is UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    if isinstance(value, (int, float)):
        return round(value * 1000 if value < _MILLISECONDS_FROM else value)
    return value


def _checked(unordered: Iterable[HistoryEvent], source: str) -> list[HistoryEvent]:
    """Sort the events by id; raise ``ConfigError`` if the history is not complete."""
    events = sorted(unordered, key=lambda event: event.event_id)
    if not events or events[0].event_type != EventType.EXECUTION_STARTED:
        first = f"{events[0].event_type} (event {events[0].event_id})" if events else "nothing"
        raise ConfigError(
            f"{source} does not begin with ExecutionStarted but with {first}: it is incomplete"
        )
    for number, event in enumerate(events, 1):
        if event.event_id != number:
            raise ConfigError(
                f"{source} is incomplete: event {number} is missing, or there twice"
                f" (after it comes event {event.event_id})"
            )
    return events


def _missing_payload(events: list[HistoryEvent]) -> str | None:
    """Say which payload is cut off, or that no result has one; ``None`` if all are there.

    SDKs record a payload for every result, also for ``None``, so a history without any was fetched
    without them.
    """
    results: list[bool] = []
    for event in events:
        details = _ALWAYS_WITH_DETAILS.get(event.event_type)
        if details is not None and getattr(event, details) is None:
            title = f" {event.name!r}" if event.name else ""
            return f"lacks the details of event {event.event_id}, {event.event_type}{title}"
        for payload in data_of(event):
            if payload.truncated:
                title = f" {event.name!r}" if event.name else ""
                return (
                    f"lacks the payload of event {event.event_id}, {event.event_type}{title}: it was cut"
                    " off or left out"
                )
            if event.event_type in _ALWAYS_WITH_PAYLOAD:
                results.append(payload.payload is not None)
    return "has no payloads at all" if results and not any(results) else None


# Details that have more than an optional payload: without them, the event says nothing.
_ALWAYS_WITH_DETAILS: Mapping[str, str] = {
    EventType.EXECUTION_STARTED: "execution_started_details",
    EventType.STEP_SUCCEEDED: "step_succeeded_details",
    EventType.STEP_FAILED: "step_failed_details",
    EventType.CONTEXT_SUCCEEDED: "context_succeeded_details",
    EventType.CONTEXT_FAILED: "context_failed_details",
    EventType.WAIT_STARTED: "wait_started_details",
    EventType.CHAINED_INVOKE_STARTED: "chained_invoke_started_details",
    EventType.CALLBACK_STARTED: "callback_started_details",
}
_ALWAYS_WITH_PAYLOAD = frozenset({EventType.EXECUTION_SUCCEEDED, EventType.STEP_SUCCEEDED})
