"""Draw the traces of an execution that really runs, in both views, for docs/observability.md.

    python tools/trace_pictures.py

An order is charged at the second attempt, two items are packed, and a truck comes a day later. The axis shows the
order of events and not their distances: the day of waiting would hide the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from html import escape
from pathlib import Path
from typing import NamedTuple

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.otel import OpenTelemetryPlugin, TraceView
from durable_execution_sdk.testing import LocalDurableTestRunner

IMAGES = Path(__file__).parents[1] / "docs" / "images"
_ROW, _TITLES, _BARS, _MARGIN = 24, 230, 620, 12
_COLOURS = {"OK": "#2f7d4f", "ERROR": "#b3372f", "UNSET": "#6b7280"}


class Row(NamedTuple):
    """A span below its parent."""

    span: ReadableSpan
    depth: int


def spans_of(view: TraceView) -> list[ReadableSpan]:
    """Run the execution, and return the spans of its trace."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    attempts: list[str] = []

    async def charge(order: str) -> str:
        attempts.append(order)
        if len(attempts) == 1:
            raise ConnectionError("the bank did not answer")
        return "paid"

    async def pack(ctx: DurableContext, item: str, _index: int) -> str:
        return await ctx.step(lambda: item, name=f"pack {item}")

    @durable_execution(plugins=[OpenTelemetryPlugin(view=view, tracer_provider=provider)])
    async def ship_order(order: str, ctx: DurableContext) -> str:
        await ctx.step(charge, order)
        await ctx.map(["book", "lamp"], pack, name="items")
        await ctx.wait(timedelta(days=1), name="truck")
        return await ctx.step(lambda: "delivered", name="deliver")

    LocalDurableTestRunner(ship_order).run_sync("A-1")
    return list(exporter.get_finished_spans())


def rows_of(spans: list[ReadableSpan]) -> Iterator[Row]:
    """Yield the spans as a tree, those of one parent by their beginnings, the longest first."""
    known = {span.context.span_id for span in spans if span.context is not None}

    def below(parent: int | None, depth: int) -> Iterator[Row]:
        children = [
            span
            for span in spans
            if (span.parent.span_id if span.parent and span.parent.span_id in known else None)
            == parent
        ]
        for span in sorted(
            children, key=lambda each: (each.start_time, -(each.end_time or 0), each.name)
        ):
            yield Row(span, depth)
            if span.context is not None:
                yield from below(span.context.span_id, depth + 1)

    return below(None, 0)


def picture(view: TraceView) -> str:
    """Return the picture of a trace as SVG."""
    rows = list(rows_of(spans_of(view)))
    moments = sorted({at for row in rows for at in (row.span.start_time, row.span.end_time) if at})
    step = _BARS / len(moments)
    height = 2 * _MARGIN + _ROW * len(rows)
    width = 2 * _MARGIN + _TITLES + _BARS
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        "<style>text { font: 13px system-ui, sans-serif }</style>",
        f"<title>The trace of an order, {view.value} view</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, (span, depth) in enumerate(rows):
        y = _MARGIN + number * _ROW
        begins = moments.index(span.start_time or 0)
        length = max(moments.index(span.end_time or 0) - begins, 0.35)
        colour = _COLOURS[span.status.status_code.name]
        parts.append(
            f'<text x="{_MARGIN + 14 * depth}" y="{y + 16}" fill="#1f2937">{escape(span.name)}</text>'
            f'<rect x="{_MARGIN + _TITLES + begins * step:.1f}" y="{y + 4}" width="{length * step:.1f}" height="16"'
            f' rx="3" fill="{colour}"/>'
        )
    return "\n".join([*parts, "</svg>", ""])


def file_of(view: TraceView) -> Path:
    """Return the file of a picture."""
    return IMAGES / f"trace-{view.value}.svg"


if __name__ == "__main__":
    for each in TraceView:
        file_of(each).write_text(picture(each))
