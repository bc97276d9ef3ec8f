"""The wire's error object: the record of a failure."""

from contextvars import ContextVar

import msgspec
from msgspec.structs import force_setattr


class ErrorObject(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Record of a failure (API shape ``ErrorObject``); every field is optional."""

    error_type: str | None = None
    error_message: str | None = None
    error_data: str | None = None
    stack_trace: list[str] | None = None


# True while a value is decoded that was written outside of this execution.
READS_FROM_OUTSIDE: ContextVar[bool] = ContextVar("reads_from_outside", default=False)


class ItemFailure(
    ErrorObject, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Failure of an item in a batch, which is part of the batch's value.

    ``is_foreign``: it was decoded from a value written outside of this execution, so ``error_data`` is
    never decoded as the record of an exception.
    """

    is_foreign: bool = False

    def __post_init__(self) -> None:
        """Set ``is_foreign`` when decoded from outside; the log keeps the flag."""
        if READS_FROM_OUTSIDE.get():
            force_setattr(self, "is_foreign", True)  # noqa: FBT003 - a value


def item_failure(error: ErrorObject) -> ItemFailure:
    """Return the failure of an item that this execution has recorded."""
    return ItemFailure(
        error_type=error.error_type,
        error_message=error.error_message,
        error_data=error.error_data,
        stack_trace=error.stack_trace,
    )
