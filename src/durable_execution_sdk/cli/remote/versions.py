"""The versions of a function: their open executions, the events that these wait for, and their replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

import msgspec

from durable_execution_sdk.cli.remote.endpoint import FunctionReference
from durable_execution_sdk.cli.remote.rehearsals import Rehearsal
from durable_execution_sdk.cli.remote.saved_histories import SavedHistory
from durable_execution_sdk.client.endpoint_connection import EndpointConnection
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.fork.lineage import whole_history
from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    ExecutionStatus,
    ExecutionSummary,
    ListRequest,
)
from durable_execution_sdk.protocol.error_codes import NOT_FOUND
from durable_execution_sdk.protocol.functions import AliasConfiguration
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.rendering.callback_names import path_of
from durable_execution_sdk.rendering.family import Family
from durable_execution_sdk.testing.cloud.progress import progress_of

__all__ = ["LATEST", "OpenVersion", "Verdict", "Versions", "check_function", "read_versions"]

LATEST = "$LATEST"
# Neither an answer nor a refusal for good: the endpoint does not answer, or has too many calls to answer.
_NO_ANSWER = (None, 429)
_OPEN = (ExecutionStatus.RUNNING, ExecutionStatus.PAUSING, ExecutionStatus.PAUSED)


class Verdict(StrEnum):
    """Answers to the question if a version can be deleted."""

    CAN_GO = "can go"
    CAN_GO_FORKED = "can go once its executions are forked"
    NEEDED = "needed by its executions"
    ALIASED = "needed by an alias"
    LATEST = "always there"


class OpenVersion:
    """A version, the number of its open executions, the oldest of them, and a sample at even distances."""

    def __init__(self, version: str, most: int) -> None:
        self.version = version
        self.aliases: list[str] = []
        self.count = 0
        self.oldest: ExecutionSummary | None = None
        self.histories: list[SavedHistory] = []
        self.rehearsals: list[Rehearsal] = []
        self._most = most
        self._kept: list[ExecutionSummary] = []
        self._every = 1

    def take(self, execution: ExecutionSummary) -> None:
        """Count an execution, and keep it if its turn has come."""
        if self.count % self._every == 0:
            self._kept.append(execution)
            if len(self._kept) == 2 * self._most:
                self._kept = self._kept[::2]
                self._every *= 2
        self.count += 1
        if self.oldest is None or execution.start_timestamp < self.oldest.start_timestamp:
            self.oldest = execution

    @property
    def sample(self) -> list[ExecutionSummary]:
        """The executions of the sample: the oldest, and others at even distances in the list."""
        if self.oldest is None:
            return []
        step = max(1, len(self._kept) / self._most)
        even = [self._kept[int(n * step)] for n in range(min(self._most, len(self._kept)))]
        return even if self.oldest in even else [*even[: self._most - 1], self.oldest]

    @property
    def faults(self) -> list[str]:
        """The reasons for which executions of the sample cannot be judged."""
        unread = [each.fault for each in self.histories if each.fault is not None]
        return unread + [each.fault for each in self.rehearsals if each.fault is not None]

    @property
    def replayed(self) -> int:
        """The number of executions of the sample that the code at hand replays."""
        return sum(each.report is not None and each.report.ok for each in self.rehearsals)

    @property
    def verdict(self) -> Verdict:
        """The answer to the question if the version can be deleted."""
        if self.version == LATEST:
            return Verdict.LATEST
        if self.aliases:
            return Verdict.ALIASED
        if not self.count:
            return Verdict.CAN_GO
        fits = bool(self.rehearsals) and self.replayed == len(self.histories)
        return Verdict.CAN_GO_FORKED if fits else Verdict.NEEDED

    def waits(self, now: int) -> Counter[tuple[str, str | None]]:
        """Count the executions of the sample by the event that they wait for, and the operation's name."""
        return Counter(wait for history in self.histories for wait in _waits(history, now))


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """The versions of a function, ``$LATEST`` first; ``notes`` say what the endpoint did not tell."""

    found: list[OpenVersion]
    notes: list[str] = []


async def read_versions(
    connection: EndpointConnection, reading: PacedReading, function: FunctionReference, most: int
) -> Versions:
    """List the versions of a function and count their open executions.

    Raises ``ServiceError`` if the function is not there, or its executions cannot be listed.
    """
    notes: list[str] = []
    versions: dict[str, OpenVersion] = {}
    listed = await _listed(connection, function, notes)
    aliases = await _aliases(connection, function, notes)
    wanted = aliases.get(function.qualifier or "", {function.qualifier})
    chosen = None if function.qualifier is None else {each for each in wanted if each is not None}

    def version_of(number: str) -> OpenVersion | None:
        if chosen is not None and number not in chosen:
            return None
        return versions.setdefault(number, OpenVersion(number, most))

    for number in listed:
        version_of(number)
    qualifier = next(iter(chosen)) if chosen is not None and len(chosen) == 1 else None
    request = ListRequest(function_name=function.name, qualifier=qualifier, statuses=[*_OPEN])
    async for execution in reading.executions(request):
        version = version_of(_version(execution))
        # An endpoint that knows one status at a time answers with more than it was asked for.
        if version is not None and execution.status in _OPEN:
            version.take(execution)
    if chosen is not None and not versions:
        raise ServiceError(f"no version {function.qualifier!r}", code=NOT_FOUND)
    for alias, numbers in sorted(aliases.items()):
        for number in numbers & versions.keys():
            versions[number].aliases.append(alias)
    return Versions(found=sorted(versions.values(), key=_position), notes=notes)


async def check_function(connection: EndpointConnection, function: FunctionReference) -> None:
    """Raise ``ServiceError`` if a function, or its version or alias, does not exist, as far as the endpoint tells."""
    try:
        versions = await connection.functions.versions(function.name)
        known = {each.version for each in versions}
        if function.qualifier not in {None, *known}:
            known |= {each.name for each in await connection.functions.aliases(function.name)}
    except ServiceError as error:
        if error.code == NOT_FOUND or error.status in _NO_ANSWER:
            raise
        return
    if function.qualifier not in {None, *known}:
        raise ServiceError(f"no version or alias {function.qualifier!r}", code=NOT_FOUND)


async def _listed(
    connection: EndpointConnection, function: FunctionReference, notes: list[str]
) -> list[str]:
    try:
        configurations = await connection.functions.versions(function.name)
    except ServiceError as error:
        if error.code == NOT_FOUND or error.status in _NO_ANSWER:
            raise
        notes.append(
            f"only versions with open executions are shown, for the endpoint does not list versions"
            f" (lambda:ListVersionsByFunction): {error.message}"
        )
        # The one that is named may be there.
        named = function.qualifier or ""
        return [named] if named.isdecimal() else []
    if configurations and all(each.durable_config is None for each in configurations):
        raise ConfigError(f"{function.name} is no durable function, so it has no executions")
    return [each.version for each in configurations]


async def _aliases(
    connection: EndpointConnection, function: FunctionReference, notes: list[str]
) -> dict[str, set[str]]:
    """Return the versions of each alias: two while it shares its calls between them."""
    try:
        aliases = await connection.functions.aliases(function.name)
    except ServiceError as error:
        if error.status in _NO_ANSWER:
            raise
        notes.append(
            "a version that can go may have an alias, for the endpoint does not list aliases"
            f" (lambda:ListAliases): {error.message}"
        )
        return {}
    return {alias.name: {alias.function_version, *_second(alias)} for alias in aliases}


def _second(alias: AliasConfiguration) -> Iterable[str]:
    routing = alias.routing_config
    return () if routing is None else routing.additional_version_weights or ()


def _version(execution: ExecutionSummary) -> str:
    parts = ExecutionArn.read(execution.durable_execution_arn)
    if parts is not None:
        return parts.version
    return execution.function_arn.partition(":function:")[2].partition(":")[2] or LATEST


def _position(version: OpenVersion) -> tuple[bool, int, str]:
    number = int(version.version) if version.version.isdecimal() else 0
    return version.version != LATEST, -number, version.version


def _waits(history: SavedHistory, now: int) -> Iterator[tuple[str, str | None]]:
    execution = history.execution
    if history.fault is not None:
        return
    if execution.status != ExecutionStatus.RUNNING:
        yield execution.status.lower(), None
        return
    described = ExecutionDescription(
        durable_execution_arn=execution.durable_execution_arn,
        durable_execution_name=execution.durable_execution_name,
        function_arn=execution.function_arn,
        status=execution.status,
        start_timestamp=execution.start_timestamp,
    )
    try:
        events = whole_history(history.events, execution.durable_execution_name).events
        progress = progress_of(described, events, now)
    except ConfigError:
        yield "unknown", None
        return
    found: set[tuple[str, str | None]] = {
        (waiter.waiting.awaited, path_of(waiter)[-1])
        for waiter in Family(execution=progress, invoked={}).waiters()
    }
    yield from found or {("running", None)}


def waits_text(waits: Counter[tuple[str, str | None]]) -> str:
    """Write the events that executions wait for, the most frequent first."""
    return ", ".join(_wait_text(*wait, count) for wait, count in waits.most_common())


def _wait_text(awaited: str, name: str | None, count: int) -> str:
    return f"{count} {_WORDS.get(awaited, awaited)}{'' if name is None else f' ({name})'}"


_WORDS = {
    "time": "for time",
    "retry": "for a retry",
    "answer": "for an answer",
    "message": "for a message",
    "function": "for a function",
}


def diverging(versions: Iterable[OpenVersion]) -> Sequence[Rehearsal]:
    """Return the replays of the samples in which the code diverges."""
    return [each for version in versions for each in version.rehearsals if each.diverges]
