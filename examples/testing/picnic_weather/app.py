"""Test a step that needs a client of another system: give it a fake one, and leave the step as it is.

The tests beside this file are what it shows. ``runner.override(weather_client, fake)`` replaces the resource for a
block or a test, also in the functions that the workflow invokes and in every run of ``check_crash_safety``.

Run it with::

    durable run examples/testing/picnic_weather/app.py --input '"Turin"'
"""

from typing import Annotated

from durable_execution_sdk import INJECTED, Depends, DurableContext, durable_execution


class WeatherClient:
    def temperature(self, city: str) -> int:
        return len(city) * 4  # a real one asks a weather service


def weather_client() -> WeatherClient:
    return WeatherClient()


def temperature(
    city: str, *, client: Annotated[WeatherClient, Depends(weather_client)] = INJECTED
) -> int:
    return client.temperature(city)


@durable_execution
async def plan_picnic(city: str, ctx: DurableContext) -> str:
    degrees = await ctx.step(temperature, city)
    return "in the park" if degrees >= 18 else "at home"
