"""The batches of updates that one checkpoint call carries, and the errors of those that were not accepted."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.json import encode

from durable_execution_sdk.errors import ConfigError, DurableError, ExecutionError, ServiceError
from durable_execution_sdk.protocol.operations import OperationType
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate, text_bytes
from durable_execution_sdk.runtime.verdicts import Abort

__all__ = ["MAX_BATCH_UPDATES", "length_of_batch", "refusal_of", "without_cancellations"]

# The most that the official SDKs put into one call (API reference, section 3.1).
MAX_BATCH_UPDATES = 250
MAX_BATCH_BYTES = 750 * 1024
# Bytes of each update besides its payload. Without payloads, no batch comes near the limit.
_UPDATE_OVERHEAD = 400

_START = OperationAction.START
_PAIRED_TYPES = frozenset({OperationType.STEP, OperationType.CONTEXT})


def length_of_batch(queue: Sequence[OperationUpdate], most_updates: int) -> int:
    """Return the number of updates, from the start of the queue, that one call may carry."""
    taken: dict[str, OperationUpdate] = {}
    count = 0
    size = 0
    for update in queue:
        if count == most_updates:
            break
        if update.error is not None:
            size += _size(update)
        elif (payload := update.payload) is not None:
            size += len(payload) if payload.isascii() else text_bytes(payload)
        if size and count and size + (count + 1) * _UPDATE_OVERHEAD > MAX_BATCH_BYTES:
            break
        earlier = taken.setdefault(update.id, update)
        if earlier is not update:
            # A batch may hold two updates of one operation only as its START and what follows it.
            is_pair = earlier.action is _START and update.action is not _START
            if not is_pair or update.type not in _PAIRED_TYPES:
                break
            taken[update.id] = update
        count += 1
    return count


def _size(update: OperationUpdate) -> int:
    payload, error = update.payload, update.error
    size = text_bytes(payload)
    if error is not None:
        texts = (error.error_message, error.error_data, *(error.stack_trace or ()))
        size += sum(map(text_bytes, texts))
    return size


def without_cancellations(
    batch: list[OperationUpdate], error: ServiceError
) -> list[OperationUpdate]:
    """Return a refused batch without its CANCELs; raise the error if these cannot be the cause."""
    rest = [update for update in batch if update.action is not OperationAction.CANCEL]
    if len(rest) == len(batch) or error.is_stale_token or error.is_transient:
        raise error
    return rest


def refusal_of(batch: Sequence[OperationUpdate], error: Exception) -> Abort:
    """Return the verdict of an invocation whose checkpoint has failed with this error."""
    if not isinstance(error, DurableError):
        error = _unencodable(batch) or error
    elif isinstance(error, ServiceError) and not (
        error.is_stale_token or error.is_transient or error.is_about_credentials
    ):
        subject = ", ".join(sorted({_title(update) for update in batch})) or "a state request"
        error = ExecutionError(f"the service refused the checkpoint of {subject}: {error}")
    return Abort(error, fatal=isinstance(error, (ExecutionError, ConfigError)))


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
