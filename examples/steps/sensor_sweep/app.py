"""Do many quick steps in a row without waiting for the log after each: ``CheckpointingMode.OPTIMISTIC``.

The next step begins while the checkpoint of the last one is on its way, so one call records several. The price:
after a crash, steps that had ended may run again. So all of them must be safe to repeat, as a write under a key
is.

Run it with::

    durable run examples/steps/sensor_sweep/app.py --input '["hall", "attic", "cellar"]'
"""

from durable_execution_sdk import CheckpointingMode, DurableContext, durable_execution

store: dict[str, float] = {}  # the measurements, by sensor: writing one again changes nothing


def measure(sensor: str) -> float:
    return len(sensor) / 2


def keep(sensor: str, value: float) -> str:
    store[sensor] = value
    return sensor


@durable_execution(checkpointing=CheckpointingMode.OPTIMISTIC)
async def sweep(sensors: list[str], ctx: DurableContext) -> int:
    for sensor in sensors:
        value = await ctx.step(measure, sensor)
        await ctx.step(keep, sensor, value)
    return len(sensors)
