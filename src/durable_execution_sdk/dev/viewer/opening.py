"""Open what a user names: a store, a saved history, or the ARN of an execution."""

from __future__ import annotations

from pathlib import Path

from durable_execution_sdk.client.endpoint_connection import EndpointOptions
from durable_execution_sdk.dev.viewer.endpoint import EndpointExecution
from durable_execution_sdk.dev.viewer.saved_history import SavedHistory
from durable_execution_sdk.dev.viewer.source import Source
from durable_execution_sdk.dev.viewer.store import StoreFile
from durable_execution_sdk.emulator.stores.sqlite import DEFAULT_PATH
from durable_execution_sdk.errors import ConfigError

__all__ = ["open_source"]

_SQLITE = b"SQLite format 3\0"
_ARN = "arn:"


def open_source(name: str, options: EndpointOptions) -> Source:
    """Open a store (a SQLite file, or the folder that it is in), a saved history, or an execution by its ARN.

    Raises ``ConfigError``, ``StoreError`` or ``ServiceError`` if that is not possible.
    """
    if name.startswith(_ARN):
        return EndpointExecution(name, options)
    if options != EndpointOptions():
        raise ConfigError(
            f"--endpoint, --profile and --region are for the ARN of an execution; {name} is read from a file"
        )
    path = _file(Path(name))
    try:
        with path.open("rb") as file:
            is_store = file.read(len(_SQLITE)) == _SQLITE
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no file {name}. Name a store (the SQLite file of durable run or durable dev,"
            f" {DEFAULT_PATH} by default), a saved history (`durable history NAME --json`), or the ARN of an"
            " execution"
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {error.strerror or error}") from error
    return StoreFile(path) if is_store else SavedHistory(path)


def _file(path: Path) -> Path:
    """Return the store of a folder, or the path itself."""
    if not path.is_dir():
        return path
    in_project = path / DEFAULT_PATH
    return in_project if in_project.exists() else path / DEFAULT_PATH.name
