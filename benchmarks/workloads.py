"""The measured workloads: the cells of the table, and the lower bounds beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from benchmarks.data import rows

SDKS = ("ours", "aws", "async_durable")
MS_5 = 0.005


@dataclass(frozen=True)
class Cell:
    """One line of the table.

    Attributes:
        per: the number of operations or items by which figures are divided.
        rounds: the largest number of rounds.
        larger_than: the smaller cell; if that has failed, this one is not tried.
        together: run by all SDKs at the same time, because it is long and mostly sleeps.
        limit: the longest run in seconds; a longer one is stopped and counts as failed.
        floor: the cell of the floor that CPU is compared with.
    """

    key: str
    group: str
    label: str
    worker: dict[str, Any]
    per: int = 1
    unit: str = "step"
    rounds: int = 3
    larger_than: str | None = None
    is_quick: bool = True
    together: bool = False
    limit: float = 80.0
    floor: str | None = None
    sdks: tuple[str, ...] = field(default=SDKS)


def cold_start() -> list[Cell]:
    cell = {"kind": "cold"}
    return [
        Cell(
            "cold",
            "Import and cold start",
            "import, decorate, one step over HTTP",
            cell | {"counted": True},
            unit="process",
            rounds=7,
            limit=400.0,
            sdks=(*SDKS, "floor"),
        ),
        *(
            Cell(
                f"cold-{bytecode}{'-quarter' if cores else ''}",
                "Import and cold start",
                f"the same, package {words}{', a quarter of a core' if cores else ''}",
                cell | {"bytecode": bytecode, "cores": cores, "counted": cores is None},
                unit="process",
                rounds=7,
                limit=400.0,
                sdks=(*SDKS, "floor"),
            )
            for cores in (None, 0.25)
            for bytecode, words in (
                ("none", "without bytecode"),
                ("unchecked-hash", "with bytecode by hash"),
            )
        ),
        Cell("bare", "Import and cold start", "bare interpreter", cell, rounds=7, sdks=("bare",)),
    ]


def sequential() -> list[Cell]:
    group = "Sequential steps"
    cells: list[Cell] = []
    for seconds, cost in ((0.0, "0 ms"), (MS_5, "5 ms")):
        previous_key = None
        for n in (100, 1_000, 10_000):
            key = f"steps-{n}-{cost}"
            worker = {
                "kind": "live",
                "workload": "steps",
                "event": n,
                "answer": n * (n + 1) // 2,
                "warm_up": 3,
                "seconds": seconds,
            }
            cells.append(
                Cell(
                    key,
                    group,
                    f"{n:,} steps, {cost} a call",
                    worker,
                    per=n,
                    rounds=1 if n > 1_000 else 3,
                    larger_than=previous_key,
                    is_quick=n < 10_000,
                    together=seconds > 0 and n > 1_000,
                    floor=None if seconds else "floor-tasks",
                )
            )
            previous_key = key
    return cells


def warm() -> list[Cell]:
    group = "Warm invocation"
    nothing = {"kind": "warm", "workload": "nothing", "event": 3, "answer": 3, "warm_up": 3}
    one_step = {"kind": "warm", "workload": "steps", "event": 1, "answer": 1, "warm_up": 3}
    return [
        Cell("warm-nothing", group, "no operation", nothing, unit="invocation", rounds=3),
        Cell("warm-step", group, "one step", one_step, unit="invocation", rounds=3),
    ]


def replay() -> list[Cell]:
    group = "Replay"
    cells: list[Cell] = []
    for paged in (False, True):
        previous_key = None
        for n in (1_000, 3_000, 25_000):
            key = f"replay-{n}-{'paged' if paged else 'event'}"
            worker = _replay("steps", n, n * (n + 1) // 2, 3) | {"paged": paged}
            pages = "pages of 1,000" if paged else "one event"
            cells.append(
                Cell(
                    key,
                    group,
                    f"{n:,} steps, {pages}",
                    worker,
                    per=n,
                    rounds=3 if n < 25_000 else 2,
                    larger_than=previous_key,
                    is_quick=n < 25_000,
                    floor="floor-decoding",
                )
            )
            previous_key = key
    slow = _replay("steps", 25_000, 25_000 * 25_001 // 2, 3) | {"paged": True, "seconds": MS_5}
    cells.append(
        Cell(
            "replay-25000-slow",
            group,
            "25,000 steps, pages of 1,000, 5 ms each",
            slow,
            per=25_000,
            rounds=1,
            larger_than="replay-25000-paged",
            is_quick=False,
        )
    )
    memory = _replay("steps", 25_000, 25_000 * 25_001 // 2, 3) | {"paged": True, "memory": True}
    cells.append(
        Cell(
            "replay-25000-memory",
            group,
            "25,000 steps, pages of 1,000: memory",
            memory,
            per=25_000,
            rounds=1,
            larger_than="replay-25000-paged",
            is_quick=False,
        )
    )
    mapped = _replay("map", [1_000, 0], 999_000, [3, 0])
    cells.append(
        Cell(
            "replay-map",
            group,
            "a map of 1,000 items, itself still open",
            mapped,
            per=1_000,
            unit="item",
        )
    )
    return cells


def maps() -> list[Cell]:
    group = "Map, one step an item"
    cells: list[Cell] = []
    for seconds, cost in ((0.0, "0 ms"), (MS_5, "5 ms")):
        for most in (0, 10, 100):
            at_a_time = f"{most} at a time" if most else "unlimited"
            worker = _map(1_000, most) | {"seconds": seconds}
            label = f"1,000 items, {at_a_time}, {cost} a call"
            cells.append(
                Cell(
                    f"map-{most}-{cost}",
                    group,
                    label,
                    worker,
                    per=1_000,
                    unit="item",
                    floor=None if seconds else "floor-tasks",
                )
            )
    return cells


def growth() -> list[Cell]:
    group = "Map that grows"
    cells: list[Cell] = []
    for most in (10, 0):
        previous_key = None
        for items in (1_000, 2_000, 4_000, 8_000, 16_000):
            key = f"growth-{items}-{most}"
            label = f"{items:,} items, {'10 at a time' if most else 'unlimited'}"
            cells.append(
                Cell(
                    key,
                    group,
                    label,
                    _map(items, most),
                    per=items,
                    unit="item",
                    rounds=1,
                    limit=20.0,
                    larger_than=previous_key,
                    is_quick=items < 4_000,
                    floor="floor-tasks",
                )
            )
            previous_key = key
    return cells


def wide_and_deep() -> list[Cell]:
    group = "Wide and deep"
    wide = {
        "kind": "live",
        "workload": "wide",
        "event": [100, 20],
        "answer": 100 * 210,
        "warm_up": [3, 2],
    }
    cells = [Cell("wide", group, "100 branches of 20 steps", wide, per=2_000, floor="floor-tasks")]
    for depth in (50, 300, 1_000):
        worker = {
            "kind": "live",
            "workload": "nested",
            "event": depth,
            "answer": 2,
            "warm_up": 3,
        }
        cells.append(
            Cell(
                f"nested-{depth}",
                group,
                f"{depth:,} nested contexts",
                worker,
                per=depth,
                unit="context",
                rounds=3,
            )
        )
    return cells


def large() -> list[Cell]:
    group = "Large payloads"
    small = [1, 1_000]
    steps = {
        "kind": "live",
        "workload": "payloads",
        "event": [20, 200_000],
        "answer": 20 * len(rows(200_000)),
        "warm_up": small,
    }
    child = {
        "kind": "live",
        "workload": "large child",
        "event": [5, 200_000],
        "answer": 5 * len(rows(200_000)),
        "warm_up": small,
    }
    state = _replay("payloads", [50, 200_000], 50 * len(rows(200_000)), small)
    return [
        Cell("payload-steps", group, "20 steps of 200 KB", steps, per=20),
        Cell("payload-child", group, "a child of 1 MB, from 5 steps", child, unit="child"),
        Cell("payload-rebuilt", group, "the same, built again", _rebuilt(), unit="child"),
        Cell("payload-state", group, "replay of 10 MB", state, unit="invocation"),
        Cell(
            "payload-memory", group, "replay of 10 MB: memory", state | {"memory": True}, rounds=1
        ),
    ]


def runner() -> list[Cell]:
    worker = {"kind": "runner", "event": [100, 3], "answer": 5_050}
    return [Cell("runner", "Test runner", "100 steps, 3 waits of 30 days", worker, unit="test")]


def wire() -> list[Cell]:
    floors = ("asyncio", "blocking")
    cells: list[Cell] = []
    for service, prefix, group in (
        ("ours", "wire", "Over HTTP, signed, against the server of this project"),
        ("aws", "wire-aws", "Over HTTP, signed, against AWS's emulator"),
    ):
        for key, label, workload, event, counted, small, per, unit in (
            ("steps", "500 steps", "steps", 500, 110, 10, 490, "step"),
            (
                "map",
                "a map of 500, 10 at a time",
                "map",
                [500, 10],
                [120, 10],
                [20, 10],
                480,
                "item",
            ),
            ("replay", "replay of 5,000", "steps and wait", 5_000, 1_010, 10, 4_990, "step"),
        ):
            of_count = 1_000 if key == "replay" else 100
            worker = {
                "kind": "wire",
                "service": service,
                "workload": workload,
                "replayed": key == "replay",
                "event": event,
                "counted_event": counted,
                "small": small,
                "scale": per / of_count,
            }
            cells.append(
                Cell(
                    f"{prefix}-{key}",
                    group,
                    label,
                    worker,
                    per=per,
                    unit=unit,
                    limit=900.0,
                    is_quick=False,
                    sdks=(*SDKS, *floors) if key == "steps" and service == "ours" else SDKS,
                )
            )
    return cells


def floors() -> list[Cell]:
    group = "Floors"
    decoding = {"kind": "floor", "floor": "decoding", "count": 25_000}
    tasks = {"kind": "floor", "floor": "tasks", "count": 10_000}
    trip = {"kind": "floor", "floor": "round trip"}
    only = ("floors",)
    return [
        Cell(
            "floor-decoding",
            group,
            "msgspec decodes 25,000 steps",
            decoding,
            per=25_000,
            sdks=only,
        ),
        Cell("floor-tasks", group, "10,000 bare asyncio tasks", tasks, per=10_000, sdks=only),
        Cell("floor-trip", group, "a bare HTTP round trip", trip, unit="call", sdks=only),
    ]


def all_cells() -> list[Cell]:
    return [
        *cold_start(),
        *sequential(),
        *warm(),
        *replay(),
        *maps(),
        *growth(),
        *wide_and_deep(),
        *large(),
        *runner(),
        *wire(),
        *floors(),
    ]


def _map(items: int, most: int) -> dict[str, Any]:
    return {
        "kind": "live",
        "workload": "map",
        "event": [items, most],
        "answer": items * (items - 1),
        "warm_up": [3, 0],
    }


def _replay(workload: str, event: Any, answer: int, small: Any) -> dict[str, Any]:
    return {
        "kind": "replay",
        "workload": workload,
        "event": event,
        "answer": answer,
        "warm_up": small,
    }


def _rebuilt() -> dict[str, Any]:
    return _replay("large child", [5, 200_000], 5 * len(rows(200_000)), [1, 1_000])


def as_argument(cell: Cell) -> str:
    return json.dumps(cell.worker)
