from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime
from durable_execution_sdk.dev.functions.environment import Place, Surroundings
from durable_execution_sdk.errors import ConfigError


def variables(server: dict[str, str], **options: Any) -> dict[str, str]:
    declaration = Declaration(
        **{"name": "f", "runtime": Runtime.PYTHON, "root": "/code", "handler": "a.b", **options}
    )
    place = Place(endpoint_url="http://127.0.0.1:9014", environment=server)
    return Surroundings(declaration=declaration, version="3", place=place).variables("127.0.0.1:5")


def test_dummy_credentials_are_there_only_where_the_user_has_none(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert variables(home)["AWS_ACCESS_KEY_ID"] == "local"
    for own in ({"AWS_PROFILE": "work"}, {"AWS_ACCESS_KEY_ID": "AKIA"}):
        made = variables({**home, **own})
        assert made.get("AWS_SECRET_ACCESS_KEY") is None
        assert made.items() >= own.items()
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").touch()
    assert "AWS_ACCESS_KEY_ID" not in variables(home)


def test_the_functions_variables_outrank_the_servers_and_lambdas_outrank_both() -> None:
    made = variables(
        {"STAGE": "shell", "AWS_REGION": "eu-west-1", "KEPT": "1", "NO_PROXY": "corp"},
        environment={"STAGE": "function", "AWS_LAMBDA_FUNCTION_NAME": "other"},
    )
    assert made["STAGE"] == "function"
    assert made["KEPT"] == "1"
    assert made["AWS_REGION"] == "us-east-1"
    assert made["AWS_LAMBDA_FUNCTION_NAME"] == "f"
    assert made["AWS_LAMBDA_FUNCTION_VERSION"] == "3"
    assert made["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:5"
    assert made["AWS_ENDPOINT_URL_LAMBDA"] == "http://127.0.0.1:9014"
    assert made["NO_PROXY"] == "corp,127.0.0.1,localhost"


def test_a_function_cannot_be_sent_to_the_real_lambda() -> None:
    ignore = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    assert not variables(ignore).keys() & ignore.keys()
    assert not variables({}, environment=ignore).keys() & ignore.keys()


def test_a_function_on_node_without_node_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    declaration = Declaration(name="f", runtime=Runtime.NODE, root="/", handler="a.b")
    surroundings = Surroundings(declaration=declaration, version="1", place=Place(endpoint_url=""))
    with pytest.raises(ConfigError, match="there is no `node` on the path"):
        _ = surroundings.command
