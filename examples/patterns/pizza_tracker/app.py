"""Show customers where their order is: the workflow sets a status, and a page reads it from outside.

``ctx.set_status`` costs no operation of its own and takes any small value. A page asks ``await
handle.custom_status()``, and ``durable show`` prints it. Workflow code never reads it.

Run it with::

    durable run examples/patterns/pizza_tracker/app.py --skip-time --name friday --input '"a Margherita"'
    durable callback succeed friday/baked --data '"Enzo"'
"""

from datetime import timedelta

from durable_execution_sdk import (
    DurableContext,
    WaitForCallbackConfig,
    durable_execution,
)

RIDER = WaitForCallbackConfig(result_type=str)


def print_ticket(callback_id: str, pizza: str) -> None:
    print(f"kitchen: {pizza}; when it is baked, answer {callback_id}")


def deliver(pizza: str, rider: str) -> str:
    return f"{rider} has delivered {pizza}"


@durable_execution
async def order_pizza(pizza: str, ctx: DurableContext) -> str:
    ctx.set_status("in the kitchen")
    rider = await ctx.wait_for_callback(print_ticket, pizza, name="baked", config=RIDER)
    ctx.set_status({"phase": "on the road", "rider": rider})
    await ctx.wait(timedelta(minutes=20), name="ride")
    delivered = await ctx.step(deliver, pizza, rider)
    ctx.set_status("delivered")
    return delivered
