"""The pointer from an execution that went on as a new one to that one, and the name of the new one.

The pointer is the result of the execution that ended. A handler can return any JSON, also what it has read from
another execution, so the pointer names the execution whose result it is: in any other result it is data like others.

The name of the next execution is made of the name and the ARN of this one. The ARN has an id that the service chose,
so an execution that a user starts never has this name, and each crash leads to the same name again.
"""

from __future__ import annotations

import re
from hashlib import blake2b

import msgspec
from msgspec import Struct, field

from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.limits import MAX_EXECUTION_NAME_CHARACTERS

__all__ = [
    "Continuation",
    "base_name",
    "comparable",
    "continuation_of",
    "next_name",
    "pointer_text",
]

_TAG = "durable_continued_as"
_HASH_BYTES = 6
_NAME = re.compile(r"(?P<base>.+)-run(?P<number>[0-9]{1,9})-[0-9a-f]{12}")
# Executions whose names begin so are forks, or are looked at as if they were.
_FORK = "fork-"
_FORK_CHARACTERS = 13
_OF = "of-"


class Continuation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The next execution, and the ARN of the one that goes on as it.

    ``function`` is its name with a version or an alias. ``arn`` is left out if the service did not tell it.
    """

    of: str
    name: str
    function: str
    arn: str | None = None


class _Pointer(Struct, frozen=True):
    continued_as: Continuation = field(name=_TAG)


def pointer_text(continuation: Continuation) -> str:
    """Write the pointer as the result of an execution."""
    return msgspec.json.encode(_Pointer(continuation)).decode()


def continuation_of(arn: str, result: str | None) -> Continuation | None:
    """Return the next execution if the one with this ARN went on as a new one; ``None`` if this is another result."""
    if result is None or _TAG not in result:
        return None
    try:
        continuation = msgspec.json.decode(result, type=_Pointer).continued_as
    except (msgspec.DecodeError, RecursionError):
        return None
    return continuation if continuation.of == arn else None


def comparable(arn: str, payload: str | None) -> str | None:
    """Return a payload of an execution; for its pointer a text that is the same in each run of a test."""
    return payload if continuation_of(arn, payload) is None else "goes on as new"


def next_name(arn: str) -> str:
    """Return the name of the execution as which the one with this ARN goes on: ``monthly-run2-5f0c9a1b7e3d``."""
    parts = ExecutionArn.read(arn)
    base, number = (parts.execution_name if parts else "execution"), 1
    found = _NAME.fullmatch(base)
    if found is not None:
        base, number = found["base"], int(found["number"])
    if base.startswith(_FORK):
        base = f"{_OF}{base[:_FORK_CHARACTERS]}"
    suffix = f"-run{number + 1}-{blake2b(arn.encode(), digest_size=_HASH_BYTES).hexdigest()}"
    return f"{base[: MAX_EXECUTION_NAME_CHARACTERS - len(suffix)]}{suffix}"


def base_name(name: str) -> str | None:
    """Return a part of the name of the execution that went on under this name; ``None`` if none can have."""
    found = _NAME.fullmatch(name)
    return None if found is None else found["base"].removeprefix(_OF)
