"""Try one supplier until its attempts are used up, and go to another one then.

``StepError`` is the base of all failures of steps; ``attempts`` says how often it was tried. Between the attempts nothing
runs, so patience costs nothing: change ``PATIENCE`` to hours or days.

Run it with::

    durable run examples/errors/fallback_supplier/app.py --skip-time --input '"wheel"'
"""

from datetime import timedelta

from durable_execution_sdk import (
    DurableContext,
    FixedDelay,
    StepConfig,
    StepError,
    durable_execution,
)

PATIENCE = StepConfig(retry_strategy=FixedDelay(max_attempts=3, delay=timedelta(minutes=10)))


async def order_from_factory(part: str) -> str:
    raise ConnectionError("the factory does not answer")


async def order_from_dealer(part: str) -> str:
    return f"{part} from the dealer"


@durable_execution
async def order_part(part: str, ctx: DurableContext) -> str:
    try:
        return await ctx.step(order_from_factory, part, config=PATIENCE)
    except StepError as error:
        ctx.log_warn("the dealer is asked", attempts=error.attempts, reason=str(error))
        return await ctx.step(order_from_dealer, part)
