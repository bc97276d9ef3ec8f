"""Targets of the benchmarks: each has a figure and its upper limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measure import Measured, Results

PEERS = ("aws", "async_durable")


@dataclass(frozen=True)
class Target:
    """A figure and its limit; ``figure`` returns ``None`` when the run has not measured it."""

    what: str
    wanted: str
    at_most: float
    figure: Callable[[Results], float | None]


def targets() -> list[Target]:
    return [
        _share("cold start, time", "cold", "wall", 1 / 3),
        _share("cold start, CPU", "cold", "cpu", 1 / 3),
        *(
            _share(f"{n:,} steps, CPU", f"steps-{n}-0 ms", "cpu", 1 / 10)
            for n in (100, 1_000, 10_000)
        ),
        *(_over_the_calls(n) for n in (100, 1_000, 10_000)),
        _growth("steps: CPU per step, 10,000 to 1,000", "steps-1000-0 ms", "steps-10000-0 ms", 10),
        *(_calls(n) for n in (100, 1_000, 10_000)),
        _plain("warm, no operation, ms", "warm-nothing", 0.3),
        _plain("warm, one step, ms", "warm-step", 0.5),
        *(
            _share(f"replay of {n:,}, {pages}, CPU", f"replay-{n}-{pages}", "cpu", 1 / 5)
            for pages in ("event", "paged")
            for n in (1_000, 3_000, 25_000)
        ),
        _growth(
            "replay: CPU per step, 25,000 to 1,000", "replay-1000-event", "replay-25000-event", 25
        ),
        _memory_per_operation(),
        *(
            _share(f"map, {most or 'unlimited'}, {cost}, wall", f"map-{most}-{cost}", "wall", 1 / 3)
            for cost in ("0 ms", "5 ms")
            for most in (0, 10, 100)
        ),
        *(
            _share(f"map, {most or 'unlimited'}, calls", f"map-{most}-5 ms", "calls", 1.0)
            for most in (0, 10, 100)
        ),
        _growth(
            "map of 10: CPU per item, 16,000 to 1,000", "growth-1000-10", "growth-16000-10", 16
        ),
        _growth("map of all: CPU per item, 16,000 to 1,000", "growth-1000-0", "growth-16000-0", 16),
        _share("100 branches of 20 steps, wall", "wide", "wall", 1 / 3),
        *(
            _share(f"{depth:,} nested contexts, wall", f"nested-{depth}", "wall", 1 / 3)
            for depth in (50, 300, 1_000)
        ),
        _memory_of_state(),
        _share("test runner, time", "runner", "wall", 1 / 10),
    ]


def median_of(results: Results, key: str, sdk: str, figure: str) -> float | None:
    """Return the median of a figure; ``None`` if it was not measured."""
    return results.get((key, sdk), Measured()).median(figure)


def better_peer(results: Results, key: str, figure: str) -> float | None:
    """Return the smallest figure of the peers; ``None`` if none of them finished."""
    values = [median_of(results, key, peer, figure) for peer in PEERS]
    return min((value for value in values if value is not None), default=None)


def _share(what: str, key: str, figure: str, at_most: float) -> Target:
    """Make a target that is our share of the better peer's figure; 0 where both peers failed."""

    def share(results: Results) -> float | None:
        own_figure = median_of(results, key, "ours", figure)
        if own_figure is None:
            return None
        peer = better_peer(results, key, figure)
        tried = all((key, name) in results for name in PEERS)
        if peer is None:
            return 0.0 if tried else None
        return own_figure / peer if peer else None

    words = {1 / 3: "a third", 1 / 5: "a fifth", 1 / 10: "a tenth", 1.0: "no more"}[at_most]
    return Target(
        what,
        f"{words} of the better peer" if at_most < 1 else "no more than the better peer",
        at_most,
        share,
    )


def _over_the_calls(n: int) -> Target:
    def over(results: Results) -> float | None:
        wall = median_of(results, f"steps-{n}-5 ms", "ours", "wall")
        return None if wall is None else wall / (n * 0.005)

    return Target(f"{n:,} steps at 5 ms, wall", "1.15 times the calls", 1.15, over)


def _calls(n: int) -> Target:
    def calls(results: Results) -> float | None:
        count = median_of(results, f"steps-{n}-0 ms", "ours", "calls")
        return None if count is None else count / n

    return Target(f"{n:,} steps, calls a step", "one", 1.0, calls)


def _growth(what: str, small: str, large: str, times: int) -> Target:
    def growth(results: Results) -> float | None:
        small_cpu = median_of(results, small, "ours", "cpu")
        large_cpu = median_of(results, large, "ours", "cpu")
        return None if small_cpu is None or large_cpu is None else large_cpu / small_cpu / times

    return Target(what, "linear: 1.25", 1.25, growth)


def _plain(what: str, key: str, milliseconds: float) -> Target:
    def plain(results: Results) -> float | None:
        wall = median_of(results, key, "ours", "wall")
        return None if wall is None else wall * 1e3

    return Target(what, f"{milliseconds} ms", milliseconds, plain)


def _memory_per_operation() -> Target:
    def beyond(results: Results) -> float | None:
        peak = median_of(results, "replay-25000-memory", "ours", "beyond")
        payloads = median_of(results, "replay-25000-memory", "ours", "payloads")
        return None if peak is None or payloads is None else (peak - payloads) / 25_000 / 1024

    return Target("25,000 operations: KB each, beyond payloads", "2 KB", 2.0, beyond)


def _memory_of_state() -> Target:
    def share(results: Results) -> float | None:
        peak = median_of(results, "payload-memory", "ours", "peak")
        state = median_of(results, "payload-memory", "ours", "state")
        return None if peak is None or state is None else peak / state

    return Target("10 MB state: peak memory, event included", "3 times the state", 3.0, share)
