"""The local extras of executions as the routes see them: workers, logs, published versions, processes, holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from durable_execution_sdk.errors import ConfigError

if TYPE_CHECKING:
    from durable_execution_sdk.dev.functions.host import WorkerView
    from durable_execution_sdk.dev.logs.log_store import LogStore
    from durable_execution_sdk.dev.reload.kept_code import KeptCode
    from durable_execution_sdk.dev.reload.rehearsal_results import FunctionReload

__all__ = ["ProcessView"]


def _no_workers() -> Sequence[WorkerView]:
    return ()


def _no_reload(_: str) -> FunctionReload | None:
    return None


def _no_versions(*_: str) -> str:
    raise ConfigError("the functions of this server are not processes, so they have no versions")


def _no_processes(_: str) -> list[int]:
    return []


def _none_held() -> Mapping[str, Mapping[str, object]]:
    return {}


@dataclass(kw_only=True)
class ProcessView:
    """The parts of a server whose functions run in processes; a server without them has the defaults.

    ``publish`` takes a function's name, ``set_alias`` also an alias and a version. ``running`` tells the ids of
    the processes that run an execution, ``held`` the reasons for which executions are not invoked, by ARN. The processes of
    executions that are ``served_elsewhere``, by a service, are not known.
    """

    workers: Callable[[], Sequence[WorkerView]] = _no_workers
    logs: LogStore | None = None
    code: KeptCode | None = None
    reload_of: Callable[[str], FunctionReload | None] = _no_reload
    publish: Callable[[str], str] = _no_versions
    set_alias: Callable[[str, str, str], object] = _no_versions
    running: Callable[[str], list[int]] = _no_processes
    held: Callable[[], Mapping[str, Mapping[str, object]]] = _none_held
    served_elsewhere: bool = False
