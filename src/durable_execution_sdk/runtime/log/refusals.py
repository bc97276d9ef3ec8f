"""The verdict of an invocation whose checkpoint was refused or has failed. Loaded at the first such checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.json import encode

from durable_execution_sdk.errors import ConfigError, DurableError, ExecutionError, ServiceError
from durable_execution_sdk.protocol.limits import MAX_PAYLOAD_BYTES
from durable_execution_sdk.protocol.operations import OperationType
from durable_execution_sdk.protocol.updates import OperationUpdate, text_bytes
from durable_execution_sdk.runtime.log import Journal
from durable_execution_sdk.runtime.log.quotas import cure_at_quota
from durable_execution_sdk.runtime.settings import Settings
from durable_execution_sdk.runtime.verdicts import Abort

__all__ = ["refusal_of"]


def refusal_of(
    batch: Sequence[OperationUpdate], error: Exception, journal: Journal, settings: Settings
) -> Abort:
    """Return the verdict of an invocation whose checkpoint has failed with this error."""
    if not isinstance(error, DurableError):
        error = _unencodable(batch) or error
    elif isinstance(error, ServiceError) and not (
        error.is_stale_token or error.is_transient or error.is_about_credentials
    ):
        subject = ", ".join(sorted({_title(update) for update in batch})) or "a state request"
        cure = cure_at_quota(settings, journal.used, len(batch)) or _cure_of_result(batch)
        error = ExecutionError(f"the service refused the checkpoint of {subject}: {error}{cure}")
    return Abort(error, fatal=isinstance(error, (ExecutionError, ConfigError)))


def _cure_of_result(batch: Sequence[OperationUpdate]) -> str:
    """Return the end of the message about a result of the execution that is probably too large."""
    for update in batch:
        if (
            update.type == OperationType.EXECUTION
            and text_bytes(update.payload) > MAX_PAYLOAD_BYTES
        ):
            return " Keep the data elsewhere (S3, a database), and let the workflow return its key"
    return ""


def _unencodable(batch: Sequence[OperationUpdate]) -> ExecutionError | None:
    """Return the error for the first update that has no form in JSON, which no invocation could send."""
    for update in batch:
        try:
            encode(update)
        except Exception as error:
            return ExecutionError(
                f"the checkpoint of {_title(update)} ({update.action}) cannot be written as JSON:"
                f" {error}. A serdes or a plugin of the workflow made a value of another type or a text"
                " that is not UTF-8; correct it, and start the execution again"
            )
    return None


def _title(update: OperationUpdate) -> str:
    return f"{update.type.lower()} {update.name!r}" if update.name else update.type.lower()
