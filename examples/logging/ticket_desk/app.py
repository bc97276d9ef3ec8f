"""Write each line as one JSON object, in the form of Lambda's own JSON log format.

In CloudWatch, ``filter operationName = "assign"`` finds the lines of a step. Lambda with JSON logs turned on does
this by itself; the formatter is for a function without that, for containers, and for tests.

Run it with::

    durable run examples/logging/ticket_desk/app.py --input '"t-1"'
"""

import logging
import sys

from durable_execution_sdk import DurableContext, JsonFormatter, durable_execution

handler = logging.StreamHandler(sys.stderr)
handler.setFormatter(JsonFormatter())
log = logging.getLogger("tickets")
log.setLevel(logging.INFO)
log.addHandler(handler)


def assign(ticket: str) -> str:
    log.info("looking for a colleague", extra={"ticket": ticket})
    return "Ada"


@durable_execution(logger=log)
async def take_ticket(ticket: str, ctx: DurableContext) -> str:
    ctx.log_info("ticket taken", ticket=ticket)
    return await ctx.step(assign, ticket)
