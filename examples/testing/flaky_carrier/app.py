"""Test retries: let a carrier fail twice, and look at the attempts and the delays between them.

The tests beside this file are what it shows. Steps call plain functions, so pytest's ``monkeypatch`` replaces what
they call, and ten minutes of delays take no time.

Run it with::

    durable run examples/testing/flaky_carrier/app.py --input '"p-1"'
"""

from durable_execution_sdk import (
    DurableContext,
    Duration,
    ExponentialBackoff,
    JitterStrategy,
    durable_execution,
    durable_step,
)

PATIENTLY = ExponentialBackoff(
    max_attempts=5,
    initial_delay=Duration.from_minutes(1),
    max_delay=Duration.from_hours(1),
    jitter=JitterStrategy.NONE,
)


def send_to_carrier(label: str) -> str:
    return f"{label} was accepted"


@durable_step(retry_strategy=PATIENTLY)
def register(parcel: str) -> str:
    return send_to_carrier(f"label of {parcel}")


@durable_execution
async def ship(parcel: str, ctx: DurableContext) -> str:
    return await ctx.step(register, parcel)
