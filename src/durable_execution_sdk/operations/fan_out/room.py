"""Maps and parallels whose branches do not fit into the quota of operations. Loaded for these only.

Only the sure minimum counts: the operation itself, and one for each branch. What branches do adds to that, and is not
known. If not even that fits, the execution would fail at the limit, after most branches have run.

- If the handler states its quota (``durable_execution(limits=...)``), and the batch has to run all branches to
  succeed, the call raises ``ConfigError``. Nothing is recorded, and no branch runs.
- Otherwise it is a warning: AWS may have raised the quota of the account, or the batch may be decided before.

The answer depends on ``ctx.budget`` and the options alone, so replay gives the same, and code may catch the error and
take another way. It does not depend on what is recorded at this place: that may be what the other way has done.
"""

from __future__ import annotations

from durable_execution_sdk.batch_completion import CompletionConfig
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.error_codes import OPERATIONS_CURE
from durable_execution_sdk.protocol.limits import MAX_OPERATIONS
from durable_execution_sdk.runtime.contexts.scope import IdScope

__all__ = ["refuse_or_warn"]


def refuse_or_warn(
    scope: IdScope, label: str, branches: int, completion: CompletionConfig | None
) -> None:
    """Raise ``ConfigError``, or log a warning, for a batch that does not fit."""
    context_state = scope.context_state
    settings = context_state.run.settings
    limit = MAX_OPERATIONS if settings.limits is None else settings.limits.operations
    used = 1 + context_state.operations_around
    fact = (
        f"{label} has {branches:,} branches, each an operation at least, and an execution may have {limit:,}"
        f" operations, of which this one has used {used:,}"
    )
    may_be_decided_before = completion is not None and (
        completion.should_complete is not None or completion.min_successful is not None
    )
    if settings.limits is not None and not may_be_decided_before:
        raise ConfigError(f"{fact}. {OPERATIONS_CURE}")
    if not scope.is_replaying:
        settings.logger.warning("%s, unless AWS has raised the quota. %s", fact, OPERATIONS_CURE)
