"""The wire's error object: how a failure is recorded, whoever reports it."""

from contextvars import ContextVar

import msgspec
from msgspec.structs import force_setattr


class ErrorObject(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """What is known of a failure (API shape ``ErrorObject``); every field is optional."""

    error_type: str | None = None
    error_message: str | None = None
    error_data: str | None = None
    stack_trace: list[str] | None = None


# Whether a value is being read that was written outside of this execution.
READS_FROM_OUTSIDE: ContextVar[bool] = ContextVar("reads_from_outside", default=False)


class ItemFailure(
    ErrorObject, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """The failure of an item in a batch, which travels as a value.

    ``is_foreign``: it came in a value from outside, so its data is not read as the record of an exception.
    """

    is_foreign: bool = False

    def __post_init__(self) -> None:
        """Mark one that is read from outside; the mark stays when it is written into the log."""
        if READS_FROM_OUTSIDE.get():
            force_setattr(self, "is_foreign", True)  # noqa: FBT003 - a value


def item_failure(error: ErrorObject) -> ItemFailure:
    """The failure of an item that this execution has recorded."""
    return ItemFailure(
        error_type=error.error_type,
        error_message=error.error_message,
        error_data=error.error_data,
        stack_trace=error.stack_trace,
    )
