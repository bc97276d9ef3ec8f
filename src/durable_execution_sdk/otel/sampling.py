"""Sampling of an execution: one decision of the provider's sampler holds for all spans of the invocation.

A sampler is asked for each span otherwise, and one that looks at names, limits a rate or draws lots would drop some
spans of a trace and keep others, whose parents are then missing.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

__all__ = ["PinnedSampler", "Sampled", "Sampler"]


class Decision(Protocol):
    """The protocol of the OpenTelemetry SDK's decisions."""

    def is_sampled(self) -> bool:
        """Return True if spans are recorded and exported."""
        ...


class Sampled(Protocol):
    """The protocol of the OpenTelemetry SDK's ``SamplingResult``."""

    decision: Decision
    attributes: Mapping[str, Any]
    trace_state: Any


class Sampler(Protocol):
    """The protocol of the OpenTelemetry SDK's samplers."""

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        links: Any = None,
    ) -> Sampled:
        """Decide on a span."""
        ...

    def get_description(self) -> str:
        """Return a text for people."""
        ...


class PinnedSampler:
    """A sampler with the decision pinned in this thread, once, and otherwise another's."""

    def __init__(self, other: Sampler) -> None:
        self._other = other
        self._local = threading.local()

    @contextmanager
    def pinned(self, decided: Sampled) -> Generator[None, None, None]:
        """Take this decision for the next span that this thread starts."""
        self._local.decided = decided
        try:
            yield
        finally:
            self._local.decided = None

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        *rest: Any,
        **options: Any,
    ) -> Sampled:
        """Return the pinned decision, with the attributes of the span, or ask the other sampler."""
        decided: Any = getattr(self._local, "decided", None)
        self._local.decided = None  # a processor may start spans of its own within this one
        if decided is None:
            return self._other.should_sample(
                parent_context, trace_id, name, kind, attributes, *rest, **options
            )
        members: dict[str, Any] = {**(attributes or {}), **decided.attributes}
        result: Sampled = type(decided)(decided.decision, members, decided.trace_state)
        return result

    def get_description(self) -> str:
        """Return the description of the other sampler."""
        return self._other.get_description()
