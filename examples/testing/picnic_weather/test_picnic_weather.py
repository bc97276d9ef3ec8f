"""The step gets a fake client, and no network is used."""

import pytest
from examples.testing.picnic_weather.app import (
    WeatherClient,
    plan_picnic,
    temperature,
    weather_client,
)

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "Turin"


class FakeWeather(WeatherClient):
    def __init__(self, degrees):
        self.degrees = degrees

    def temperature(self, city):
        return self.degrees


@pytest.mark.parametrize(("degrees", "place"), [(25, "in the park"), (4, "at home")])
def test_the_weather_decides(durable_runner, degrees, place):
    runner = durable_runner(plan_picnic)
    runner.override(weather_client, FakeWeather(degrees))
    assert runner.run_sync(EVENT).result == place


def test_the_step_alone_is_a_plain_function():
    assert temperature("Turin", client=FakeWeather(4)) == 4


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(plan_picnic).run_sync(EVENT), "picnic_weather")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(plan_picnic, EVENT).raise_if_failed()
