"""Prepare several things for a new employee at once, by name, and wait for all of them.

Each branch is a function with a context of its own. A mapping gives the branches their names in the log and in the
result. Branches with arguments are closures, or ``functools.partial``.

Run it with::

    durable run examples/parallel/new_employee/app.py --skip-time --input '"Ada"'
"""

from datetime import timedelta

from durable_execution_sdk import DurableContext, durable_execution


async def create_account(name: str) -> str:
    return f"{name.lower()}@example.com"


async def order_laptop(name: str) -> str:
    return f"laptop for {name}"


async def print_badge(name: str, address: str) -> str:
    return f"badge of {name}, {address}"


@durable_execution
async def welcome_employee(name: str, ctx: DurableContext) -> dict[str, str]:
    async def badge(branch: DurableContext) -> str:
        address = await branch.step(create_account, name)
        return await branch.step(print_badge, name, address)

    async def laptop(branch: DurableContext) -> str:
        ordered = await branch.step(order_laptop, name)
        await branch.wait(timedelta(days=5), name="delivery")
        return ordered

    batch = await ctx.parallel({"badge": badge, "laptop": laptop}, name="first day")
    batch.throw_if_error()
    return {item.name or "": item.result or "" for item in batch}
