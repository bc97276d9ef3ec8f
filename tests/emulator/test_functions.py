from __future__ import annotations

from typing import Any

import pytest

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.emulator.functions.registry import Function, Functions
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.testing import LocalDurableTestRunner, Returns

ARN = "arn:aws:lambda:us-east-1:123456789012:function:pay"


@pytest.fixture
def functions() -> Functions:
    registry = Functions()
    registry.add_plain("pay", lambda event, _: event)
    return registry


@pytest.mark.parametrize(
    ("name", "version", "qualified"),
    [
        ("pay", "$LATEST", False),
        ("pay:$LATEST", "$LATEST", True),
        ("pay:7", "7", True),
        ("pay:prod", "$LATEST", True),
        ("123456789012:function:pay:7", "7", True),
        ("123456789012:pay", "$LATEST", False),
        (ARN, "$LATEST", False),
        (f"{ARN}:7", "7", True),
    ],
)
def test_every_form_of_a_name_finds_its_function(
    functions: Functions, name: str, version: str, qualified: bool
) -> None:
    resolved = functions.resolve(name)
    assert (resolved.function.name, resolved.version, resolved.qualified) == (
        "pay",
        version,
        qualified,
    )
    assert resolved.arn == f"{ARN}:{version}"


def test_a_qualifier_may_be_given_beside_the_name(functions: Functions) -> None:
    assert functions.resolve("pay", "7").version == "7"
    assert functions.resolve("pay:7", "7").version == "7"
    with pytest.raises(ServiceError, match="does not match"):
        functions.resolve("pay:7", "8")


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("buy:prod", "arn:aws:lambda:us-east-1:123456789012:function:buy:prod"),
        ("210987654321:function:pay", "arn:aws:lambda:us-east-1:210987654321:function:pay"),
        (ARN.replace("us-east-1", "eu-west-1"), ARN.replace("us-east-1", "eu-west-1")),
    ],
)
def test_a_missing_function_is_not_found_under_its_arn(
    functions: Functions, name: str, missing: str
) -> None:
    with pytest.raises(ServiceError) as refused:
        functions.resolve(name)
    assert (refused.value.code, refused.value.status) == ("ResourceNotFoundException", 404)
    assert refused.value.message == f"Function not found: {missing}"


def test_an_invalid_name_is_an_invalid_parameter(functions: Functions) -> None:
    with pytest.raises(ServiceError) as refused:
        functions.resolve("no such: name")
    assert (refused.value.code, refused.value.status) == ("InvalidParameterValueException", 400)


def test_a_wrong_registration_is_refused_at_once(functions: Functions) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        functions.add_plain("pay:prod", lambda event, _: event)
    with pytest.raises(ConfigError, match="31622400"):
        functions.add_durable("pay", lambda _: lambda event, _: event, execution_timeout=0)


def test_a_registry_knows_its_names(functions: Functions) -> None:
    functions.add_plain("buy", lambda event, _: event)
    assert functions.names == ["buy", "pay"]
    assert functions.get("buy") is not None
    assert functions.get("sell") is None


def test_published_versions_and_aliases_have_code_of_their_own():
    functions = Functions()
    latest = functions.add_plain("f", lambda *_: "latest")
    assert functions.resolve("f:7").function is latest
    assert functions.resolve("f:any").version == "$LATEST"
    first = Function(name="f", durable=False, connect=latest.connect)
    functions.add_version("1", first)
    functions.add_alias("f", "live", "1")
    assert functions.resolve("f").function is latest
    assert functions.resolve("f:1").function is first
    resolved = functions.resolve("f", "live")
    assert (resolved.function, resolved.version) == (first, "1")
    assert resolved.arn.endswith(":function:f:1")
    assert functions.parse("f:live") == ("f", "1")
    assert functions.get("f", "2") is None
    for missing in ("f:2", "f:other"):
        with pytest.raises(ServiceError, match="Function not found"):
            functions.resolve(missing)
    with pytest.raises(ConfigError, match="is a number"):
        functions.add_version("live", first)


def test_an_invoke_of_an_unknown_function_is_told_with_those_that_there_are() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.invoke("shipp", event)

    shop = durable_execution(workflow)
    runner = LocalDurableTestRunner(shop, functions={"ship": Returns(1)})
    message = str(runner.run_sync(None).error)
    assert "Function not found" in message
    assert "The functions here are " in message
    assert "ship" in message.partition("here are ")[2]
    assert "functions={NAME: handler}" in message
