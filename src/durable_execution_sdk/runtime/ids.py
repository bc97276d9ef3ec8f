"""Deterministic operation ids: a hash of where an operation stands in the workflow.

In the main task the texts, and so the ids, are those of AWS's own Python SDK: ``"{n}"`` in the root
context and ``"{context operation id}-{n}"`` in a child, n from 1. A task that workflow code makes
adds ``t{k}-``, k from 1 in creation order, so its operations never shift anybody else's.
"""

from __future__ import annotations

from hashlib import blake2b

ROOT_PREFIX = ""


def operation_id(text: str) -> str:
    """The id of the operation at this place."""
    return blake2b(text.encode()).digest()[:32].hex()


def context_prefix(context_operation_id: str) -> str:
    """What the texts inside a child context start with."""
    return f"{context_operation_id}-"


def timer_id(prefix: str, number: int) -> str:
    """The id of the number-th timer of asyncio that a scope set; it shifts nothing else."""
    return operation_id(f"{prefix}timer-{number}")


def middleware_prefix(prefix: str, number: int) -> str:
    """What the texts of the number-th interceptor around a context's function start with."""
    return f"{prefix}m{number}-"


def task_prefix(prefix: str, number: int) -> str:
    """What the texts inside the number-th task that a scope made start with."""
    return f"{prefix}t{number}-"
