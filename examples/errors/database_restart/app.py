"""Fail only this invocation when the environment is broken: Lambda invokes again, and the execution goes on.

``DurableError.invocation(...)`` records no failure. Use it for what the next process may not have, such as a full disk or
a lost connection; what is part of the job belongs in a step with a retry strategy.

Run it with::

    durable run examples/errors/database_restart/app.py --skip-time --input '"o-1"'
"""

from durable_execution_sdk import DurableContext, DurableError, durable_execution

connections = ["pool"]  # what a process keeps between invocations


async def save(order: str) -> str:
    return f"{order} saved"


async def confirm(order: str) -> str:
    return f"{order} confirmed"


@durable_execution
async def save_order(order: str, ctx: DurableContext) -> str:
    await ctx.step(save, order)
    if not connections:
        raise DurableError.invocation("the pool of connections is closed: start a new process")
    return await ctx.step(confirm, order)
