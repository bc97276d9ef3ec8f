"""Call a durable function that takes days, in an execution of its own, and go on with its result.

A durable function is named with a version or an alias (``inspect:live``, here ``inspect:$LATEST``), because an
execution stays with the version that it began with. Both functions may be deployed by different teams.

Run it with::

    durable run examples/invoke/car_inspection/app.py:sell_car --skip-time --input '"car 7"'
"""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import DurableContext, InvokeConfig, durable_execution


@dataclass(frozen=True)
class Report:
    car: str
    faults: list[str]


REPORT = InvokeConfig(result_type=Report)


def measure(car: str) -> list[str]:
    return ["left headlight"] if car.endswith("7") else []


@durable_execution
async def inspect(car: str, ctx: DurableContext) -> Report:
    """Run in an execution of its own, with its own log."""
    await ctx.wait(timedelta(days=2), name="a free lift")
    return Report(car, await ctx.step(measure, car))


@durable_execution
async def sell_car(car: str, ctx: DurableContext) -> str:
    report = await ctx.invoke("inspect:$LATEST", car, name="inspection", config=REPORT)
    return f"{car} needs {' and '.join(report.faults)}" if report.faults else f"{car} is for sale"
