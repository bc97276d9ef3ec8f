"""Call another Lambda function, which need not be durable, and read its result as a type.

The execution is suspended while the other function runs, so waiting for it costs nothing. The name is that of the
function at AWS; there it needs permission for ``lambda:InvokeFunction``.

Run it with::

    durable run examples/invoke/customs_duty/app.py \
        --function customs-duty=examples/invoke/customs_duty/app.py:customs_duty \
        --input '{"number": "p-1", "kilograms": 2.5, "country": "CH"}'
"""

from dataclasses import dataclass
from typing import Any

from durable_execution_sdk import DurableContext, InvokeConfig, durable_execution


@dataclass(frozen=True)
class Parcel:
    number: str
    kilograms: float
    country: str


@dataclass(frozen=True)
class Duty:
    cents: int
    code: str


DUTY = InvokeConfig(result_type=Duty)


def customs_duty(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Stand for the other function, a plain Lambda handler."""
    return {"cents": round(event["kilograms"] * 250), "code": f"{event['country']}-7"}


@durable_execution
async def ship_abroad(parcel: Parcel, ctx: DurableContext) -> str:
    payload = {"country": parcel.country, "kilograms": parcel.kilograms}
    duty = await ctx.invoke("customs-duty", payload, name="duty", config=DUTY)
    return f"{parcel.number}: {duty.cents} cents of duty, code {duty.code}"
