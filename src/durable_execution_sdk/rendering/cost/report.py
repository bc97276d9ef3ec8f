"""The cost of an execution as lines, and as a document."""

from __future__ import annotations

from collections.abc import Iterator

from durable_execution_sdk.protocol.control_plane import ExecutionDescription
from durable_execution_sdk.rendering.cost.metering import ExecutionCost
from durable_execution_sdk.rendering.cost.prices import SOURCE, Prices, amounts_of
from durable_execution_sdk.rendering.times import span

__all__ = ["cost_document", "cost_lines"]


def cost_document(
    description: ExecutionDescription, cost: ExecutionCost, prices: Prices
) -> dict[str, object]:
    """Build the document of an estimate for an execution."""
    amounts = amounts_of(cost, prices)
    return {
        "durable_execution_name": description.durable_execution_name,
        "durable_execution_arn": description.durable_execution_arn,
        "status": description.status,
        "operations": {
            "metered": cost.metered_operations,
            "by_type": cost.operations,
            "retries": cost.retries,
            "repeated_invocations": cost.repeated_invocations,
        },
        "bytes_written": cost.bytes_written,
        "bytes_are_whole": cost.is_whole,
        "invocations": cost.invocations,
        "checkpoints": cost.checkpoints,
        "replayed_operations": cost.replayed_operations,
        "replay_share": round(cost.replay_share, 4),
        "running_milliseconds": round(cost.running_time),
        "age_milliseconds": round(cost.age),
        "dollars": {**amounts, "total": _total(cost, prices)},
        "prices": {
            "operations_per_million": prices.operations,
            "gb_written": prices.written,
            "gb_month_kept": prices.kept,
            "requests_per_million": prices.requests,
            "gb_second": prices.gb_second,
            "memory_mb": prices.memory_mb,
            "retention_days": prices.retention_days,
            "source": SOURCE if prices.are_public else "the command line",
        },
    }


def cost_lines(cost: ExecutionCost, prices: Prices) -> Iterator[str]:
    """Yield the lines of an estimate."""
    amounts = amounts_of(cost, prices)
    kinds = [f"{count:,} {kind}" for kind, count in cost.operations.items()]
    more = {"retries": cost.retries, "repeated invocations": cost.repeated_invocations}
    kinds += [f"{count:,} {what}" for what, count in more.items() if count]
    asked = cost.replayed_operations + cost.recorded_operations
    calls = "not in a history" if cost.checkpoints is None else f"{cost.checkpoints:,}"
    rows = [
        ("operations", f"{cost.metered_operations:,}", amounts["operations"], ", ".join(kinds)),
        ("bytes written", f"{cost.bytes_written:,}", amounts["written"], _bytes_note(cost)),
        ("bytes kept", f"{cost.bytes_written:,}", amounts["kept"], _kept_note(cost, prices)),
        ("invocations", f"{cost.invocations:,}", amounts["requests"], "a request each"),
        ("running time", span(cost.running_time), amounts["time"], _time_note(prices)),
        ("checkpoint calls", calls, 0.0, "no price: they take running time"),
    ]
    for title, figure, amount, note in rows:
        yield f"{title:<17} {figure:>16}  {_dollars(amount):>11}  {note}".rstrip()
    yield f"{'in all':<17} {'':>16}  {_dollars(_total(cost, prices)):>11}"
    yield (
        f"replay share      {cost.replay_share:>16.0%}  of {asked:,} operations that code asked for,"
        f" {cost.replayed_operations:,} were replayed"
    )
    yield (
        f"An estimate by the prices of {SOURCE}; --price takes others."
        if prices.are_public
        else "An estimate by the prices of the command line; the others are those of "
        + SOURCE
        + "."
    )


def _total(cost: ExecutionCost, prices: Prices) -> float:
    return sum(amount or 0.0 for amount in amounts_of(cost, prices).values())


def _dollars(amount: float | None) -> str:
    if amount is None:
        return "not priced"
    return "" if amount == 0 else f"${amount:.8f}"


def _bytes_note(cost: ExecutionCost) -> str:
    return "" if cost.is_whole else "at least: the history leaves payloads out"


def _kept_note(cost: ExecutionCost, prices: Prices) -> str:
    return f"for {span(cost.age)}, and {prices.retention_days:g} days after that"


def _time_note(prices: Prices) -> str:
    if prices.gb_second is None or prices.memory_mb is None:
        return "depends on the function: --price gb-second=USD --memory MB"
    return f"of {prices.memory_mb:,} MB"
