"""Ask a service for many numbers, though it allows three requests a minute.

Each item of the map keeps its slot for a minute after its request, so there are never more than ``PER_MINUTE``
requests in one. Retries of a step take a slot's time too. An item costs three operations, of which an execution
has 3,000.

Run it with::

    durable run examples/patterns/phone_lookup/app.py --skip-time \
        --input '["Ada", "Grace", "Alan", "Edsger"]'
"""

from datetime import timedelta

from durable_execution_sdk import DurableContext, MapConfig, durable_execution

PER_MINUTE = 3


def ask_directory(person: str) -> str:
    return f"+39 011 {len(person):04}"


async def look_up(item: DurableContext, person: str, index: int) -> str:
    number = await item.step(ask_directory, person)
    await item.wait(timedelta(minutes=1), name="keep the slot")
    return number


@durable_execution
async def make_call_list(people: list[str], ctx: DurableContext) -> dict[str, str]:
    config = MapConfig(max_concurrency=PER_MINUTE)
    batch = await ctx.map(people, look_up, name="lookups", config=config)
    batch.throw_if_error()
    return dict(zip(people, batch.results(), strict=True))
