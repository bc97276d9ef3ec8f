"""Upload a file to three regions, and go on as soon as two have it.

``CompletionConfig(min_successful=2)`` ends the batch at the second success. A branch that is still under way is given
up; leave out the rule to wait for all.

Run it with::

    durable run examples/parallel/replicated_upload/app.py --skip-time --input '"backup.tar"'
"""

from datetime import timedelta
from functools import partial

from durable_execution_sdk import (
    CompletionConfig,
    DurableContext,
    ParallelConfig,
    durable_execution,
)

MINUTES = {"oslo": 3, "lima": 90, "pune": 20}


async def verify(file: str, region: str) -> str:
    return f"{file} is in {region}"


async def upload(ctx: DurableContext, *, file: str, region: str) -> str:
    await ctx.wait(timedelta(minutes=MINUTES[region]), name="transfer")
    return await ctx.step(verify, file, region)


@durable_execution
async def replicate(file: str, ctx: DurableContext) -> list[str]:
    config = ParallelConfig(completion=CompletionConfig(min_successful=2))
    branches = {region: partial(upload, file=file, region=region) for region in MINUTES}
    batch = await ctx.parallel(branches, name="regions", config=config)
    return batch.results()
