"""When a map or a parallel is done: enough successes, too many failures, or everything finished.

The decision is a pure function of four counts, so it is the same on the first run and on replay.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from durable_execution_sdk.errors import ConfigError

__all__ = ["CompletionConfig", "CompletionReason", "decide"]


class CompletionReason(StrEnum):
    """Why a map or a parallel stopped."""

    ALL_COMPLETED = "ALL_COMPLETED"
    MIN_SUCCESSFUL_REACHED = "MIN_SUCCESSFUL_REACHED"
    FAILURE_TOLERANCE_EXCEEDED = "FAILURE_TOLERANCE_EXCEEDED"


class CompletionConfig(Struct, frozen=True, kw_only=True):
    """How many successes are enough, and how many failures too many.

    With nothing set, the first failure stops the operation. With only ``min_successful`` set, any
    number of failures is tolerated. Wrong values raise ``ConfigError`` at once.

    Args:
        min_successful: stop as soon as this many items succeeded; 1 or more.
        tolerated_failure_count: stop as soon as more items than this failed; 0 or more.
        tolerated_failure_percentage: stop as soon as more than this share of all items failed;
            0 to 100.
    """

    min_successful: int | None = None
    tolerated_failure_count: int | None = None
    tolerated_failure_percentage: float | None = None

    def __post_init__(self) -> None:
        """Refuse values that can never make sense, whatever the number of items."""
        _check_count("min_successful", self.min_successful, 1)
        _check_count("tolerated_failure_count", self.tolerated_failure_count, 0)
        _check_share("tolerated_failure_percentage", self.tolerated_failure_percentage)

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
