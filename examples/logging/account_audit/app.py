"""Keep an audit trail of every step without a word of it in the workflow: by a plugin.

A plugin observes and cannot change anything; an exception in it is logged. The end of an operation is reported
once, and not by replays. Write to your audit store in ``on_invocation_end``, because hooks hold the workflow up.

Run it with::

    durable run examples/logging/account_audit/app.py --input '"Ada"'
"""

from durable_execution_sdk import DurableContext, NoRetry, StepConfig, durable_execution
from durable_execution_sdk.plugins import AttemptInfo, DurablePlugin, OperationInfo

trail: list[str] = []


class AuditTrail(DurablePlugin):
    def on_attempt_end(self, info: AttemptInfo) -> None:
        trail.append(f"attempt {info.attempt} of {info.name}: {info.outcome}")

    def on_operation_end(self, info: OperationInfo) -> None:
        trail.append(f"{info.name} is {info.status}")


async def open_account(customer: str) -> str:
    return f"account of {customer}"


async def print_card(account: str) -> str:
    raise ConnectionError("the printer is out of cards")


@durable_execution(plugins=[AuditTrail()])
async def welcome(customer: str, ctx: DurableContext) -> str:
    account = await ctx.step(open_account, customer)
    try:
        return await ctx.step(print_card, account, config=StepConfig(retry_strategy=NoRetry()))
    except ConnectionError:
        return f"{account}, without a card"
