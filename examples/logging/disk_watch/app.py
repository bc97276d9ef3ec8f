"""Repeat warnings in each invocation, so that the last log alone tells of the trouble before it.

By default no line of replayed code is written. ``replay_logging=`` chooses the levels that are, and such a line
has ``is_replay``, by which a query leaves it out.

Run it with::

    durable run examples/logging/disk_watch/app.py --skip-time --input '"db-1"'
"""

from datetime import timedelta

from durable_execution_sdk import DurableContext, ReplayLogging, durable_execution


def disk_in_use(host: str) -> int:
    return 93


@durable_execution(replay_logging=ReplayLogging.WARNINGS)
async def watch_disk(host: str, ctx: DurableContext) -> str:
    ctx.log_info("measuring", host=host)  # once
    used = await ctx.step(disk_in_use, host)
    if used > 90:
        ctx.log_warn("the disk is nearly full", host=host, percent=used)  # in each invocation
    await ctx.wait(timedelta(hours=6), name="time to clean up")
    return f"{host}: {used} %"
