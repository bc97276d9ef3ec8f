"""Read what other processes have changed in a store, and announce it."""

from __future__ import annotations

from durable_execution_sdk.emulator.event_bus import EventBus
from durable_execution_sdk.emulator.repository import Repository
from durable_execution_sdk.emulator.schedule.schedule import Schedule
from durable_execution_sdk.emulator.stores.store import Store
from durable_execution_sdk.engine.events import ExecutionDeleted

__all__ = ["catch_up"]


def catch_up(
    store: Store,
    repository: Repository,
    schedule: Schedule,
    bus: EventBus,
    since: int | None,
    now: int,
) -> None:
    """Read the changes since the store's pulse was ``since``; all open executions if that is ``None``.

    The repository announces the events of executions that it knows. New executions and deleted ones are
    announced here, also those that began or ended between two looks at the store.
    """
    created, deleted = store.others()
    if since is not None:
        for arn in created:
            _announce_new(repository, bus, arn)
        for arn in deleted:
            repository.forget(arn)
            schedule.forget(arn)
            bus.add(arn, [ExecutionDeleted(at=now)])
    changes = None if since is None else store.changes(since)
    heads = store.open_heads() if changes is None else changes
    for arn, head in heads.items():
        if head != repository.head(arn):
            if head:
                repository.find(arn)
            else:
                _refresh_ended(store, repository, schedule, arn)
    if changes is None:
        for arn in schedule.arns - heads.keys():
            _refresh_ended(store, repository, schedule, arn)


def _announce_new(repository: Repository, bus: EventBus, arn: str) -> None:
    # One that was read before was read without an announcement: read it anew.
    repository.forget(arn)
    if repository.find(arn) is not None:
        bus.add(arn, repository.events(arn))


def _refresh_ended(store: Store, repository: Repository, schedule: Schedule, arn: str) -> None:
    # Another process ended the execution, and may have deleted it.
    if store.find(arn) is None:
        repository.forget(arn)
        schedule.forget(arn)
    else:
        repository.find(arn)
