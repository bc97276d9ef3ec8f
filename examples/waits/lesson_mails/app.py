"""Send a lesson a week with a plain ``asyncio.sleep``, which is a durable wait in workflow code.

``asyncio.timeout``, ``wait_for`` and ``call_later`` are durable as well: code that uses them needs no change. In
steps they are the usual timers of the process.

Run it with::

    durable run examples/waits/lesson_mails/app.py --skip-time --input '"ada@example.com"'
"""

import asyncio

from durable_execution_sdk import DurableContext, durable_execution

LESSONS = ("Letters", "Words")
A_WEEK = 7 * 24 * 60 * 60


def send(address: str, lesson: str) -> str:
    return f"{lesson} to {address}"


@durable_execution
async def teach(address: str, ctx: DurableContext) -> list[str]:
    sent = []
    for lesson in LESSONS:
        sent.append(await ctx.step(send, address, lesson))
        await asyncio.sleep(A_WEEK)
    return sent
