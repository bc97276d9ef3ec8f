"""Credentials: from the environment first, then botocore's chain, else a clear error."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from durable_execution_sdk.aws.botocore_credentials import BotocoreCredentials
from durable_execution_sdk.aws.credentials import (
    EnvironmentCredentials,
    FixedCredentials,
    credential_source,
)
from durable_execution_sdk.aws.endpoint import find_endpoint
from durable_execution_sdk.aws.signer import Credentials
from durable_execution_sdk.errors import ConfigError

PROFILE = """
[default]
region = eu-central-1
aws_access_key_id = AKIDPROFILE
aws_secret_access_key = profile-secret
aws_session_token = profile-token
"""


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Remove all AWS settings; return the file that a test may write a profile to."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    return tmp_path / "config"


def test_the_environment_wins_and_is_read_for_every_call() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": ""}
    source = credential_source(environ)
    assert isinstance(source, EnvironmentCredentials)
    assert asyncio.run(source.credentials()) == Credentials(access_key="AKID", secret_key="s")
    environ["AWS_SESSION_TOKEN"] = "t"
    assert asyncio.run(source.credentials()).session_token == "t"


def test_an_environment_that_lost_its_credentials_says_so() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"}
    source = credential_source(environ)
    environ.clear()
    with pytest.raises(ConfigError, match="the environment no longer has AWS_ACCESS_KEY_ID"):
        asyncio.run(source.credentials())


def test_fixed_credentials_stay_what_they_are() -> None:
    credentials = Credentials(access_key="A", secret_key="s")
    assert asyncio.run(FixedCredentials(credentials).credentials()) is credentials


def test_a_profile_is_read_by_botocore(no_aws: Path) -> None:
    no_aws.write_text(PROFILE)
    source = credential_source({})
    assert isinstance(source, BotocoreCredentials)

    async def main() -> list[Credentials]:
        return [await source.credentials(), await source.credentials()]

    assert asyncio.run(main()) == 2 * [
        Credentials(
            access_key="AKIDPROFILE", secret_key="profile-secret", session_token="profile-token"
        )
    ]
    assert find_endpoint({}).region == "eu-central-1"


def test_missing_credentials_name_the_variables_to_set(no_aws: Path) -> None:
    assert not no_aws.exists()
    with pytest.raises(ConfigError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or"):
        asyncio.run(credential_source({}).credentials())


def test_a_missing_region_names_the_variable_to_set(no_aws: Path) -> None:
    assert not no_aws.exists()
    with pytest.raises(ConfigError, match="no AWS region: set AWS_REGION"):
        find_endpoint({})


def test_without_botocore_the_error_names_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(ConfigError, match=r'pip install "durable-execution-sdk\[aws\]"'):
        credential_source({})
    with pytest.raises(ConfigError, match="no AWS region"):
        find_endpoint({})
