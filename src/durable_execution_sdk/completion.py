"""When a map or a parallel is done: enough successes, too many failures, or everything finished.

The decision is a pure function of four counts, so it is the same on the first run and on replay.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from msgspec import Struct

from durable_execution_sdk.errors import ConfigError

__all__ = [
    "CompletionConfig",
    "CompletionDecision",
    "CompletionOutcome",
    "CompletionReason",
    "CompletionStatus",
    "complete_batch",
    "continue_batch",
    "decide",
    "decide_by",
]


class CompletionReason(StrEnum):
    """Why a map or a parallel stopped."""

    ALL_COMPLETED = "ALL_COMPLETED"
    MIN_SUCCESSFUL_REACHED = "MIN_SUCCESSFUL_REACHED"
    FAILURE_TOLERANCE_EXCEEDED = "FAILURE_TOLERANCE_EXCEEDED"
    CUSTOM_COMPLETION_SUCCEEDED = "CUSTOM_COMPLETION_SUCCEEDED"
    CUSTOM_COMPLETION_FAILED = "CUSTOM_COMPLETION_FAILED"


class CompletionOutcome(StrEnum):
    """What it means that ``should_complete`` stops a batch."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class CompletionDecision(Struct, frozen=True):
    """What ``should_complete`` answers; ``outcome`` is ``None`` to go on."""

    outcome: CompletionOutcome | None = None


def continue_batch() -> CompletionDecision:
    """Go on."""
    return CompletionDecision()


def complete_batch(
    outcome: CompletionOutcome = CompletionOutcome.SUCCEEDED,
) -> CompletionDecision:
    """Stop now: start no more items, and give up those that run."""
    return CompletionDecision(outcome)


class CompletionStatus:
    """How far a batch is, as ``should_complete`` sees it.

    ``success_count`` and ``failure_count`` are the items that have ended; ``total_count`` is all of
    them, or ``None`` while an iterable of unknown length gives more.
    """

    __slots__ = ("_items", "failure_count", "success_count", "total_count")

    def __init__(
        self,
        success_count: int,
        failure_count: int,
        total_count: int | None,
        items: Callable[[], tuple[Any, ...]],
    ) -> None:
        self.success_count = success_count
        self.failure_count = failure_count
        self.total_count = total_count
        self._items = items

    @property
    def completed_count(self) -> int:
        """How many items have ended."""
        return self.success_count + self.failure_count

    @property
    def items(self) -> tuple[Any, ...]:
        """The items that have ended (``BatchItem``), with results and errors, in order of the index."""
        return self._items()

    @property
    def results(self) -> list[Any]:
        """The results of the items that succeeded, in order of the index."""
        return [item.result for item in self.items if item.status == CompletionOutcome.SUCCEEDED]


class CompletionConfig(Struct, frozen=True, kw_only=True):
    """How many successes are enough, and how many failures too many.

    With nothing set, the first failure stops the operation. With only ``min_successful`` set, any
    number of failures is tolerated. Wrong values raise ``ConfigError`` at once.

    Args:
        min_successful: stop as soon as this many items succeeded; 1 or more.
        tolerated_failure_count: stop as soon as more items than this failed; 0 or more.
        tolerated_failure_percentage: stop as soon as more than this share of all items failed;
            0 to 100.
        should_complete: your own rule, in place of the three above. It is asked before the first item
            starts and after each one that ended, in the order of the log, and answers
            ``continue_batch()`` or ``complete_batch(outcome)``. ``True`` is ``complete_batch()``, which
            ends the batch as a success, and ``False`` is ``continue_batch()``; for too many failures
            answer ``complete_batch(CompletionOutcome.FAILED)``.
            A batch whose items have all ended is over whatever it answers. It is workflow code: it
            runs again on replay, so it has to depend on nothing but the ``CompletionStatus``.
    """

    min_successful: int | None = None
    tolerated_failure_count: int | None = None
    tolerated_failure_percentage: float | None = None
    should_complete: Callable[[CompletionStatus], CompletionDecision | bool] | None = None

    def __post_init__(self) -> None:
        """Refuse values that can never make sense, whatever the number of items."""
        _check_count("min_successful", self.min_successful, 1)
        _check_count("tolerated_failure_count", self.tolerated_failure_count, 0)
        _check_share("tolerated_failure_percentage", self.tolerated_failure_percentage)
        if self.should_complete is None:
            return
        if not callable(self.should_complete):
            raise ConfigError(
                f"should_complete is a function of a CompletionStatus, not {self.should_complete!r}"
            )
        thresholds = ("min_successful", "tolerated_failure_count", "tolerated_failure_percentage")
        for option in thresholds:
            if getattr(self, option) is not None:
                raise ConfigError(
                    f"should_complete decides alone, so it cannot be combined with {option}: count in"
                    " the function"
                )

    @classmethod
    def all_completed(cls) -> CompletionConfig:
        """Run every item to its end, however many fail."""
        return cls(tolerated_failure_percentage=100)

    @classmethod
    def all_successful(cls) -> CompletionConfig:
        """Stop at the first failure."""
        return cls(tolerated_failure_count=0)

    @classmethod
    def first_successful(cls) -> CompletionConfig:
        """Stop at the first success; failures do not matter."""
        return cls(min_successful=1)

    def validate_against(self, total: int, what: str = "completion_config") -> None:
        """Raise ``ConfigError`` if ``total`` items can never satisfy this; ``what`` names it.

        No items at all are always fine: there is nothing to wait for.
        """
        if self.min_successful is not None and 0 < total < self.min_successful:
            raise ConfigError(
                f"{what}: min_successful is {self.min_successful}, but there are only {total} "
                f"items; give at most {total}, or leave it out"
            )


def decide(
    config: CompletionConfig | None, total: int, succeeded: int, failed: int
) -> CompletionReason | None:
    """Why to stop now, or ``None`` to go on; ask after each completion.

    ``total`` counts all items, started or not. Success is looked at first, then tolerance, then
    whether anything is left. No config is the same as an empty one: the first failure stops.
    """
    config = config or _FAIL_FAST
    if config.min_successful is not None and succeeded >= config.min_successful:
        return CompletionReason.MIN_SUCCESSFUL_REACHED
    if not _tolerates(config, failed, total):
        return CompletionReason.FAILURE_TOLERANCE_EXCEEDED
    if succeeded + failed >= total:
        return CompletionReason.ALL_COMPLETED
    return None


def decide_by(
    rule: Callable[[CompletionStatus], CompletionDecision | bool],
    status: CompletionStatus,
    what: str,
) -> CompletionReason | None:
    """Why a rule of the user's stops a batch, or ``None`` to go on; ``what`` names the batch."""
    answer: object = rule(status)
    if isinstance(answer, bool):
        answer = complete_batch() if answer else continue_batch()
    if not isinstance(answer, CompletionDecision):
        raise ConfigError(
            f"the should_complete of {what} returned {answer!r}; it must return continue_batch(),"
            " complete_batch(outcome), or a bool"
        )
    match answer.outcome:
        case CompletionOutcome.SUCCEEDED:
            return CompletionReason.CUSTOM_COMPLETION_SUCCEEDED
        case CompletionOutcome.FAILED:
            return CompletionReason.CUSTOM_COMPLETION_FAILED
        case None:
            return None


def _tolerates(config: CompletionConfig, failed: int, total: int) -> bool:
    count, share = config.tolerated_failure_count, config.tolerated_failure_percentage
    if config.min_successful is None and count is None and share is None:
        return failed == 0
    if count is not None and failed > count:
        return False
    return share is None or failed * 100 <= share * total


def _check_count(option: str, count: int | None, minimum: int) -> None:
    if count is not None and (type(count) is not int or count < minimum):
        raise ConfigError(f"{option} is a whole number, {minimum} or more, not {count!r}")


def _check_share(option: str, share: object) -> None:
    if share is None:
        return
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 100:
        raise ConfigError(f"{option} is a number from 0 to 100, not {share!r}")


_FAIL_FAST = CompletionConfig()
