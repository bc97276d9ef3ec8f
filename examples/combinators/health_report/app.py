"""Check several systems, and report all outcomes, good and bad.

``ctx.all_settled`` waits for all and never raises: each outcome has ``status``, ``value`` and ``error``, and ``result()``
returns the one or raises the other.

Run it with::

    durable run examples/combinators/health_report/app.py --input '["database", "mail", "search"]'
"""

from durable_execution_sdk import DurableContext, NoRetry, durable_execution, durable_step


@durable_step(retry_strategy=NoRetry())
async def check(system: str) -> str:
    if system == "mail":
        raise ConnectionError("port 25 is closed")
    return "works"


@durable_execution
async def health(systems: list[str], ctx: DurableContext) -> dict[str, str]:
    checks = [ctx.step(check, system, name=f"check {system}") for system in systems]
    outcomes = await ctx.all_settled(*checks, name="checks")
    return {
        system: outcome.result() if outcome.error is None else f"fails: {outcome.error}"
        for system, outcome in zip(systems, outcomes, strict=True)
    }
