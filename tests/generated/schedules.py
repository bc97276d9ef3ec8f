"""Schedules: delays, crashes and garbage collections, all of which follow from a seed."""

from __future__ import annotations

import contextlib
import gc
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from unittest import mock

from durable_execution_sdk import CheckpointingMode
from durable_execution_sdk.runtime.run import Seam

COLLECTORS = ("usual", "usual", "often", "observed", "frozen", "disabled")


@dataclass(frozen=True)
class Schedule:
    """The conditions of an execution.

    ``crash`` is the number of the checkpoint call in which the process dies, before or after the service
    records it, or the number of the body. ``cold``: each invocation has a new loop. ``late``: answers report
    ends later than they could, and the process dies only where the log can bear it (``Service.is_in_order``).
    ``refuses``: the CANCEL of a wait that has ended is refused. ``budget`` is
    the function's timeout in seconds.
    """

    seed: int = 0
    mode: CheckpointingMode = CheckpointingMode.BATCHED
    page: int | None = None
    batch: int = 250
    slow: bool = False
    collector: str = "usual"
    crash: tuple[int, str] | None = None
    cold: bool = False
    late: bool = False
    refuses: bool = False
    budget: float = 900.0

    def __str__(self) -> str:
        parts = [f"seed {self.seed}", self.mode.name.lower()]
        parts += [f"pages of {self.page}"] if self.page else []
        parts += [f"batches of {self.batch}"] if self.batch < 250 else []
        parts += ["slow"] if self.slow else []
        parts += [f"collector {self.collector}"] if self.collector != "usual" else []
        parts += [f"crash {self.crash[1]} {self.crash[0]}"] if self.crash else []
        parts += [word for word in ("cold", "late", "refuses") if getattr(self, word)]
        parts += [f"{self.budget:g} s an invocation"] if self.budget < 900 else []
        return ", ".join(parts)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Apply the size of batches and the mode of the garbage collector."""
        with mock.patch.object(Seam, "most_updates", self.batch), collecting(self):
            yield


CALM = Schedule()


def schedules(
    seed: int, count: int, calls: int, bodies: int, features: frozenset[str] = frozenset()
) -> Iterator[Schedule]:
    """Yield ``count`` schedules for a program whose calm run took so many calls and bodies."""
    rng = random.Random(seed)
    for n in range(count):
        crash = None
        if n % 3 != 2 and calls:
            way = rng.choice(("before", "after", "after", "in body"))
            limit = bodies if way == "in body" else calls
            crash = (rng.randint(1, max(limit, 1)), way)
        late = "late" in features and rng.random() < 0.5
        yield Schedule(
            seed=rng.randrange(1 << 30),
            mode=list(CheckpointingMode)[n % 3] if n < 3 else rng.choice(list(CheckpointingMode)),
            page=rng.choice((None, 1, 1, 3)),
            batch=rng.choice((1, 2, 250, 250)),
            slow=rng.random() < 0.8,
            collector=rng.choice(COLLECTORS),
            crash=crash,
            cold=rng.random() < 0.2,
            late=late,
            refuses="refusals" in features and rng.random() < 0.5,
            budget=8.0 if "deadlines" in features and rng.random() < 0.5 and not late else 900.0,
        )


def collector_of(schedule: Schedule) -> Callable[[str], None]:
    """Return a function to call at each observation and body, which may collect garbage."""
    if schedule.collector != "observed":
        return lambda _where: None
    rng = random.Random(schedule.seed)

    def collect(_where: str) -> None:
        if rng.random() < 0.3:
            gc.collect()

    return collect


@contextlib.contextmanager
def collecting(schedule: Schedule) -> Iterator[None]:
    """Set the mode of the garbage collector."""
    threshold, enabled = gc.get_threshold(), gc.isenabled()
    # Python 3.12 begins with a few frozen objects; ``fuzz`` freezes all.
    thaws = schedule.collector == "frozen" and gc.get_freeze_count() < 1_000
    try:
        match schedule.collector:
            case "often":
                # At allocations that are not related to the program.
                gc.set_threshold(random.Random(schedule.seed).randint(5, 60), 2, 2)
            case "frozen":
                gc.freeze()
            case "disabled":
                gc.disable()
        yield
    finally:
        gc.set_threshold(*threshold)
        if enabled:
            gc.enable()
        if thaws:  # otherwise collections in later tests would skip these objects
            gc.unfreeze()
