"""Test that code which has changed goes on with executions that began before: replay a history of theirs.

The tests beside this file are what it shows. ``histories/before_flowers.json`` was saved by ``save_history`` when
the code had no flowers. ``ctx.patched`` is False in such executions once they are past this place, and True in new
ones.

Run it with::

    durable run examples/testing/room_booking/app.py --skip-time --input '"room 7"'
"""

from datetime import timedelta

from durable_execution_sdk import DurableContext, durable_execution


def reserve(room: str) -> str:
    return f"{room} is reserved"


def order_flowers(room: str) -> str:
    return f"flowers for {room}"


def greet(room: str) -> str:
    return f"welcome to {room}"


@durable_execution
async def book_room(room: str, ctx: DurableContext) -> str:
    await ctx.step(reserve, room)
    if ctx.patched("flowers"):  # added when executions without flowers were open
        await ctx.step(order_flowers, room)
    await ctx.wait(timedelta(days=10), name="until the arrival")
    return await ctx.step(greet, room)
