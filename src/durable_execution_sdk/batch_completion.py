"""Completion rules of ``map`` and ``parallel``: successes, failures, or all items ended.

A decision depends only on counts of items and the configuration, so it is the same on replay.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.first_use import OptionEnum, Options

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


class CompletionReason(StrEnum, metaclass=OptionEnum):
    """Reasons for which a map or a parallel has stopped."""

    ALL_COMPLETED = "ALL_COMPLETED"
    MIN_SUCCESSFUL_REACHED = "MIN_SUCCESSFUL_REACHED"
    FAILURE_TOLERANCE_EXCEEDED = "FAILURE_TOLERANCE_EXCEEDED"
    CUSTOM_COMPLETION_SUCCEEDED = "CUSTOM_COMPLETION_SUCCEEDED"
    CUSTOM_COMPLETION_FAILED = "CUSTOM_COMPLETION_FAILED"


class CompletionOutcome(StrEnum, metaclass=OptionEnum):
    """Outcomes with which ``should_complete`` can stop a batch."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class CompletionDecision(Options, frozen=True):
    """Decision of ``should_complete``; ``outcome=None`` continues the batch."""

    outcome: CompletionOutcome | None = None


def continue_batch() -> CompletionDecision:
    """Continue the batch."""
    return CompletionDecision()


def complete_batch(
    outcome: CompletionOutcome = CompletionOutcome.SUCCEEDED,
) -> CompletionDecision:
    """Stop the batch now: start no more items, and give up the running ones."""
    return CompletionDecision(outcome)


class CompletionStatus:
    """Progress of a batch, the argument of ``should_complete``.

    ``success_count`` and ``failure_count`` count ended items. ``total_count`` counts all items, and is
    ``None`` until an iterable of unknown length is exhausted.
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
        """Number of items that have ended."""
        return self.success_count + self.failure_count

    @property
    def items(self) -> tuple[Any, ...]:
        """The ended items (``BatchItem``), with results and errors, by index."""
        return self._items()

    @property
    def results(self) -> list[Any]:
        """The results of the succeeded items, by index."""
        return [item.result for item in self.items if item.status == CompletionOutcome.SUCCEEDED]


class CompletionConfig(Options, frozen=True, kw_only=True):
    """Numbers of successes and failures at which a map or a parallel stops.

    With nothing set, the first failure stops the operation. With only ``min_successful`` set, any
    number of failures is tolerated. Invalid values raise ``ConfigError`` at once.

    Args:
        min_successful: stop as soon as this many items succeeded; 1 or more.
        tolerated_failure_count: stop as soon as more items than this failed; 0 or more.
        tolerated_failure_percentage: stop as soon as more than this share of all items failed;
            0 to 100.
        should_complete: your own rule, instead of the three above. It is called before the first item
            starts and after each item that ended, in the order of the log, and returns
            ``continue_batch()`` or ``complete_batch(outcome)``. ``True`` means ``complete_batch()``,
            which ends the batch as a success, and ``False`` means ``continue_batch()``; for too many
            failures return ``complete_batch(CompletionOutcome.FAILED)``.
            A batch whose items have all ended is over, even if the rule returns
            ``continue_batch()``. The rule is workflow code: it runs again on replay, so its result
            may depend on the ``CompletionStatus`` only.
    """

    min_successful: int | None = None
    tolerated_failure_count: int | None = None
    tolerated_failure_percentage: float | None = None
    should_complete: Callable[[CompletionStatus], CompletionDecision | bool] | None = None

    def __post_init__(self) -> None:
        """Raise ``ConfigError`` for values that are invalid for any number of items."""
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
        """Run every item to its end, even when items fail."""
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
        """Raise ``ConfigError`` if ``total`` items cannot reach ``min_successful``.

        An empty batch is always valid: it completes at once. ``what`` names the option in the error.
        """
        if self.min_successful is not None and 0 < total < self.min_successful:
            raise ConfigError(
                f"{what}: min_successful is {self.min_successful}, but there are only {total} "
                f"items; give at most {total}, or leave it out"
            )


def decide(
    config: CompletionConfig | None, total: int, succeeded: int, failed: int
) -> CompletionReason | None:
    """Return the reason to stop, or ``None`` to go on; called after each item that ended.

    ``total`` counts all items, started or not. Checked in this order: enough successes, too many
    failures, no items left. ``config=None`` equals ``CompletionConfig()``: the first failure stops.
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
    """Return the reason for which the user's rule stops a batch, or ``None`` to go on.

    Raises ``ConfigError`` when the rule returns something else; ``what`` names the batch.
    """
    decision: object = rule(status)
    if isinstance(decision, bool):
        decision = complete_batch() if decision else continue_batch()
    if not isinstance(decision, CompletionDecision):
        raise ConfigError(
            f"the should_complete of {what} returned {decision!r}; it must return continue_batch(),"
            " complete_batch(outcome), or a bool"
        )
    match decision.outcome:
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
