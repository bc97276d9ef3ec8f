"""End an execution from anywhere: from a helper deep in the code, without passing a value up through all callers.

``complete_execution_success`` ends it with a result, ``complete_execution_failure`` with an error. Await the call, so that
no code runs after it.

Run it with::

    durable run examples/errors/duplicate_claim/app.py --input '{"policy": "p-1", "damage": "hail"}'
"""

from dataclasses import dataclass

from durable_execution_sdk import DurableContext, durable_execution

paid_claims = {("p-7", "hail")}
blocked_policies = {"p-9"}


@dataclass(frozen=True)
class Claim:
    policy: str
    damage: str


async def look_up(claim: Claim) -> bool:
    return (claim.policy, claim.damage) in paid_claims


async def pay(claim: Claim) -> str:
    return f"{claim.damage} is paid for {claim.policy}"


async def end_unless_new(ctx: DurableContext, claim: Claim) -> None:
    if claim.policy in blocked_policies:
        await ctx.complete_execution_failure(PermissionError(f"{claim.policy} is blocked"))
    if await ctx.step(look_up, claim):
        await ctx.complete_execution_success("this claim was paid before")


@durable_execution
async def settle(claim: Claim, ctx: DurableContext) -> str:
    await end_unless_new(ctx, claim)
    return await ctx.step(pay, claim)
