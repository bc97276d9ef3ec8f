"""Call a function with tenant isolation, so that no customer's data meets that of another.

Lambda keeps the execution environments of such a function apart by tenant: what one leaves in memory or in
``/tmp`` is not seen by another. Create the function with ``TenancyConfig: {TenantIsolationMode: PER_TENANT}``.

Run it with::

    durable run examples/invoke/tenant_invoice/app.py \
        --function print-invoice=examples/invoke/tenant_invoice/app.py:print_invoice \
        --input '{"customer": "acme", "cents": 4200}'
"""

from dataclasses import dataclass
from typing import Any

from durable_execution_sdk import DurableContext, InvokeConfig, durable_execution


@dataclass(frozen=True)
class Order:
    customer: str
    cents: int


def print_invoice(event: dict[str, Any], context: Any) -> str:
    """Stand for the other function, a plain Lambda handler."""
    return f"invoice of {context.tenant_id} over {event['cents']} cents"


@durable_execution
async def invoice(order: Order, ctx: DurableContext) -> str:
    config = InvokeConfig(tenant_id=order.customer, result_type=str)
    return await ctx.invoke("print-invoice", {"cents": order.cents}, name="invoice", config=config)
