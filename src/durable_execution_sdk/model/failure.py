"""The wire's error object: how a failure is recorded, whoever reports it."""

import msgspec


class ErrorObject(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """What is known of a failure (API shape ``ErrorObject``); every field is optional."""

    error_type: str | None = None
    error_message: str | None = None
    error_data: str | None = None
    stack_trace: list[str] | None = None
