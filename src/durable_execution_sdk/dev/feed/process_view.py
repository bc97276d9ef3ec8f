"""The processes of a server as its routes see them: workers, logs and published versions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from durable_execution_sdk.dev.functions.host import WorkerView
from durable_execution_sdk.dev.logs.log_store import LogStore
from durable_execution_sdk.dev.reload.kept_code import KeptCode
from durable_execution_sdk.dev.reload.rehearsal_results import FunctionReload
from durable_execution_sdk.errors import ConfigError

__all__ = ["ProcessView"]


def _no_workers() -> Sequence[WorkerView]:
    return ()


def _no_reload(_: str) -> FunctionReload | None:
    return None


def _no_versions(*_: str) -> str:
    raise ConfigError("the functions of this server are not processes, so they have no versions")


@dataclass(kw_only=True)
class ProcessView:
    """The parts of a server whose functions run in processes; a server without them has the defaults.

    ``publish`` takes a function's name, ``set_alias`` also an alias and a version.
    """

    workers: Callable[[], Sequence[WorkerView]] = _no_workers
    logs: LogStore | None = None
    code: KeptCode | None = None
    reload_of: Callable[[str], FunctionReload | None] = _no_reload
    publish: Callable[[str], str] = _no_versions
    set_alias: Callable[[str, str, str], object] = _no_versions
