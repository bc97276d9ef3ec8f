"""Ask two suppliers at the same time, each in a child context with a step and a question of its own.

The contexts run side by side, because an operation begins when it is called, and not when it is awaited. Both
callbacks are named ``price``: operations are told apart by their contexts, here and in the command below.

Run it with::

    durable run examples/callbacks/part_prices/app.py --name axle --input '"axle"'
    durable callback succeed axle/north/price --data 40
    durable callback succeed axle/south/price --data 35
"""

import asyncio

from durable_execution_sdk import DurableContext, WaitForCallbackConfig, durable_execution

PRICE = WaitForCallbackConfig(result_type=int)


def look_up_mail(supplier: str) -> str:
    return f"sales@{supplier}.example"


def ask_for_price(callback_id: str, mail: str, part: str) -> None:
    print(f"{mail}: the price of {part}, please, to {callback_id}")


async def offer(child: DurableContext, supplier: str, part: str) -> int:
    mail = await child.step(look_up_mail, supplier)
    return await child.wait_for_callback(ask_for_price, mail, part, name="price", config=PRICE)


@durable_execution
async def cheapest(part: str, ctx: DurableContext) -> int:
    offers = [
        ctx.run_in_child_context(offer, supplier, part, name=supplier)
        for supplier in ("north", "south")
    ]
    return min(await asyncio.gather(*offers))
