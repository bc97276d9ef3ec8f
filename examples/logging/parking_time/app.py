"""Log with structlog: a renderer holds the lines of replayed code back, and adds the execution's fields.

structlog has no handlers of ``logging`` that the SDK could filter, so without ``structlog_renderer`` each line
before the wait is written again after it. It stands in the place of the renderer, as the last processor.

Run it with::

    durable run examples/logging/parking_time/app.py --skip-time --input '"TO 123"'
"""

from datetime import timedelta

import structlog

from durable_execution_sdk import DurableContext, durable_execution, structlog_renderer

PROCESSORS = [
    structlog.processors.add_log_level,
    structlog_renderer(structlog.processors.JSONRenderer()),
]
structlog.configure(processors=PROCESSORS)
log = structlog.get_logger()


def photograph(plate: str) -> str:
    log.info("photographed", plate=plate)
    return f"photo of {plate}"


@durable_execution
async def park(plate: str, ctx: DurableContext) -> str:
    log.info("the car is parked", plate=plate)
    photo = await ctx.step(photograph, plate)
    await ctx.wait(timedelta(hours=2), name="paid time")
    log.info("the time is up", plate=plate)
    return photo
