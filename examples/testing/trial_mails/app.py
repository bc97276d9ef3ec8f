"""Test a month of mails on a virtual clock: let days pass, and look in between.

The tests beside this file are what it shows. ``run_sync`` jumps from one wait to the next; ``start``, ``advance``
and ``complete`` go there step by step. The times in the history are those that the execution would have at AWS.

Run it with::

    durable run examples/testing/trial_mails/app.py --skip-time --input '"Ada"'
"""

from datetime import timedelta

from durable_execution_sdk import DurableContext, durable_execution


def mail(customer: str, text: str) -> str:
    return f"to {customer}: {text}"


@durable_execution
async def trial(customer: str, ctx: DurableContext) -> str:
    await ctx.step(mail, customer, "welcome", name="welcome")
    await ctx.wait(timedelta(days=27), name="most of the trial")
    await ctx.step(mail, customer, "three days are left", name="reminder")
    await ctx.wait(timedelta(days=3), name="rest of the trial")
    return await ctx.step(mail, customer, "the trial is over", name="goodbye")
