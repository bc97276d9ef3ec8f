"""Wait for two weeks between two steps; nothing runs and nothing is paid for meanwhile.

The execution is suspended, and the function is invoked again when the wait is over, on another machine and perhaps under
a newer deployment. Change ``TRIAL``; the longest wait is a year.

Run it with::

    durable run examples/waits/trial_period/app.py --skip-time --input '"ada@example.com"'
"""

from datetime import timedelta

from durable_execution_sdk import DurableContext, durable_execution

TRIAL = timedelta(days=14)


def open_account(address: str) -> str:
    return f"account of {address}"


def send_offer(account: str) -> str:
    return f"offer sent for the {account}"


@durable_execution
async def start_trial(address: str, ctx: DurableContext) -> str:
    account = await ctx.step(open_account, address)
    await ctx.wait(TRIAL, name="trial")
    return await ctx.step(send_offer, account)
