"""Group the steps of a part of the workflow under one name, with one result.

A child context is a function with operations of its own. When it has succeeded, replay reads its result and does not run
it again. People see one line in the history, which opens to its steps.

Run it with::

    durable run examples/children/onboard_customer/app.py --skip-time --input '"Ada"'
"""

from datetime import timedelta

from durable_execution_sdk import DurableContext, durable_execution


async def create_record(name: str) -> int:
    return len(name)


async def grant_access(record: int) -> str:
    return f"key-{record}"


async def greet(name: str, key: str) -> str:
    return f"Dear {name}, your key is {key}"


async def set_up(child: DurableContext, name: str) -> str:
    record = await child.step(create_record, name)
    return await child.step(grant_access, record)


@durable_execution
async def onboard(name: str, ctx: DurableContext) -> str:
    key = await ctx.run_in_child_context(set_up, name, name="set up")
    await ctx.wait(timedelta(days=1), name="access is ready")
    return await ctx.step(greet, name, key)
