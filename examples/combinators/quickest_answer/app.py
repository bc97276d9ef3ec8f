"""Ask a fast model and a good one, take the first that answers well, and give up the other.

``ctx.any`` passes over failures until all have failed, which raises ``AllFailedError``. ``cancel_losers=True`` cancels
the losers and records that they are over; without it they go on until the workflow ends.

Run it with::

    durable run examples/combinators/quickest_answer/app.py --skip-time --input '"What is a checkpoint?"'
"""

from datetime import timedelta

from durable_execution_sdk import (
    AllFailedError,
    DurableContext,
    NoRetry,
    StepConfig,
    durable_execution,
)

ONCE = StepConfig(retry_strategy=NoRetry())


async def ask_fast(question: str) -> str:
    if len(question) > 40:
        raise ValueError("too hard for me")
    return "A record of what was done."


async def ask_good(question: str) -> str:
    return "A record that survives the process."


async def good(ctx: DurableContext, question: str) -> str:
    await ctx.wait(timedelta(minutes=2), name="queue")
    return await ctx.step(ask_good, question, config=ONCE)


@durable_execution
async def answer(question: str, ctx: DurableContext) -> str:
    try:
        return await ctx.any(
            ctx.run_in_child_context(good, question),
            ctx.step(ask_fast, question, config=ONCE),
            name="first answer",
            cancel_losers=True,
        )
    except AllFailedError as failures:
        return f"no answer: {'; '.join(str(error) for error in failures.exceptions)}"
