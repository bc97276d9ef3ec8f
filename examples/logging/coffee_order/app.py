"""Write lines with fields, each line once, although the code before a wait runs in every invocation.

``ctx.log_info`` takes fields as keyword arguments, and a step has the same logger in
``StepContext.current().logger``. Every record has the execution's ARN and the operation's name too. Lines of
replayed code are silent.

Run it with::

    durable run examples/logging/coffee_order/app.py --skip-time --input '"arabica"'
"""

from datetime import timedelta

from durable_execution_sdk import DurableContext, StepContext, durable_execution


def brew(beans: str) -> str:
    StepContext.current().logger.info("grinding", extra={"beans": beans})
    return f"a cup of {beans}"


@durable_execution
async def make_coffee(beans: str, ctx: DurableContext) -> str:
    ctx.log_info("coffee ordered", beans=beans)
    cup = await ctx.step(brew, beans)
    await ctx.wait(timedelta(minutes=5), name="cool down")
    ctx.log_info("coffee served", minutes=5)
    return cup
