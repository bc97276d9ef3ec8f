"""Poll a bank for a confirmation, for two days at most, and hand the case to a person after that.

``timeout`` limits the whole poll; ``WaitForConditionTimeoutError`` ends it. Give ``max_attempts`` to the strategy
to limit the number of checks instead.

Run it with::

    durable run examples/waits/bank_confirmation/app.py --skip-time --input '"transfer-7"'
"""

from datetime import timedelta

from durable_execution_sdk import (
    DurableContext,
    JitterStrategy,
    WaitForConditionConfig,
    WaitForConditionTimeoutError,
    durable_execution,
    poll_until,
)

statuses = {"transfer-1": "confirmed"}


def is_confirmed(status: str) -> bool:
    return status == "confirmed"


MORE_AND_MORE_RARELY = poll_until(
    is_confirmed,
    initial_delay=timedelta(hours=1),
    max_delay=timedelta(days=1),
    backoff_rate=3,
    jitter=JitterStrategy.NONE,
)


def open_case(transfer: str) -> str:
    return f"a person looks at {transfer}"


@durable_execution
async def await_confirmation(transfer: str, ctx: DurableContext) -> str:
    def ask_bank(status: str) -> str:
        return statuses.get(transfer, status)

    config = WaitForConditionConfig(
        initial_state="unknown", wait_strategy=MORE_AND_MORE_RARELY, timeout=timedelta(days=2)
    )
    try:
        return await ctx.wait_for_condition(ask_bank, config, name="confirmation")
    except WaitForConditionTimeoutError:
        return await ctx.step(open_case, transfer)
