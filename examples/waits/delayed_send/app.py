"""Send a message after five minutes in which it can be taken back; taking it back ends the wait at once.

A wait can be cancelled: ``grace.cancel()`` ends it early in the log too, so nothing is left pending. Put a link that
answers the callback into your program.

Run it, and take the message back from another terminal::

    durable run examples/waits/delayed_send/app.py --name mail-1 --input '"See you at noon"'
    durable callback succeed mail-1/undo --data null
"""

from datetime import timedelta

from durable_execution_sdk import DurableContext, durable_execution


def deliver(text: str) -> str:
    return f"sent: {text}"


@durable_execution
async def send_later(text: str, ctx: DurableContext) -> str:
    undo = await ctx.create_callback(name="undo")
    grace = ctx.wait(timedelta(minutes=5), name="grace")
    await ctx.race(grace, undo, name="first")
    if undo.done():
        grace.cancel()
        return f"taken back: {text}"
    return await ctx.step(deliver, text)
