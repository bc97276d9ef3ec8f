"""Write the result of a step in a format of your own: a line of CSV, as the meters' other tools have it.

``StepConfig(serdes=...)`` takes the place of JSON for one step, and ``durable_execution(serdes=...)`` for a whole
handler. The two functions must undo one another for as long as executions that were written with them live.

Run it with::

    durable run examples/values/meter_reading/app.py --input '"m-17"'
"""

from dataclasses import dataclass

from durable_execution_sdk import DurableContext, StepConfig, custom_serdes, durable_execution


@dataclass(frozen=True)
class Reading:
    meter: str
    kilowatt_hours: float


def to_csv(reading: Reading) -> str:
    return f"{reading.meter},{reading.kilowatt_hours}"


def from_csv(line: str) -> Reading:
    meter, value = line.split(",")
    return Reading(meter, float(value))


AS_CSV = StepConfig(serdes=custom_serdes(to_csv, from_csv))


def read_meter(meter: str) -> Reading:
    return Reading(meter, 1250.5)


@durable_execution
async def bill_power(meter: str, ctx: DurableContext) -> str:
    reading = await ctx.step(read_meter, meter, config=AS_CSV)
    return f"{reading.meter}: {reading.kilowatt_hours * 0.3:.2f} EUR"
