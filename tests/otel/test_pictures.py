"""The pictures of traces in the documents show the spans that an execution has now."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("opentelemetry.sdk")

from durable_execution_sdk.otel import TraceView
from tools import trace_pictures


@pytest.mark.parametrize("view", list(TraceView))
def test_a_picture_has_the_spans_of_its_trace_in_their_places(view: TraceView) -> None:
    def titles(picture: str) -> list[tuple[str, str]]:
        return re.findall(r'<text x="(\d+)"[^>]*>([^<]+)</text>', picture)

    drawn = titles(trace_pictures.file_of(view).read_text())
    assert sorted(drawn) == sorted(titles(trace_pictures.picture(view)))
    assert len(drawn) > 10
