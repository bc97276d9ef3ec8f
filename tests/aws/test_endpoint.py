"""Endpoints, compared with botocore's own endpoint rules."""

from __future__ import annotations

import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore.exceptions import EndpointProviderError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from durable_execution_sdk.aws.endpoint import Endpoint, find_endpoint
from durable_execution_sdk.errors import ConfigError

SESSION: Any = botocore.session.Session()
REGIONS = [
    *(
        region
        for partition in SESSION.get_available_partitions()
        for region in SESSION.get_available_regions("lambda", partition)
    ),
    # A region that does not exist yet.
    "eu-west-99",
]
LOADER: Any = SESSION.get_component("data_loader")


def botocore_host(region: str, *, fips: bool, dual_stack: bool) -> str | None:
    """Return the host by botocore's endpoint rules; ``None`` where there is none."""
    from botocore.endpoint_provider import EndpointProvider

    rules: Any = EndpointProvider(
        ruleset_data=LOADER.load_service_model("lambda", "endpoint-rule-set-1"),
        partition_data=LOADER.load_data("partitions"),
    )
    try:
        endpoint = rules.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual_stack)
    except EndpointProviderError:
        return None
    return urlsplit(endpoint.url).hostname


@pytest.mark.parametrize("dual_stack", [False, True])
@pytest.mark.parametrize("fips", [False, True])
def test_hosts_are_those_of_botocores_rules(fips: bool, dual_stack: bool) -> None:
    for region in REGIONS:
        environ = {
            "AWS_REGION": region,
            "AWS_USE_FIPS_ENDPOINT": str(fips).lower(),
            "AWS_USE_DUALSTACK_ENDPOINT": str(dual_stack),
        }
        botocore_result = botocore_host(region, fips=fips, dual_stack=dual_stack)
        assert botocore_result is not None
        assert find_endpoint(environ) == Endpoint(region=region, host=botocore_result), region


@pytest.mark.parametrize(
    ("url", "host", "port", "secure", "prefix", "authority"),
    [
        ("http://127.0.0.1:9001", "127.0.0.1", 9001, False, "", "127.0.0.1:9001"),
        ("http://localhost/", "localhost", 80, False, "", "localhost"),
        (
            "https://proxy.example:8443/lambda/",
            "proxy.example",
            8443,
            True,
            "/lambda",
            "proxy.example:8443",
        ),
        ("https://proxy.example", "proxy.example", 443, True, "", "proxy.example"),
        ("http://[::1]:8080/a//b%20c", "::1", 8080, False, "/a/b%20c", "[::1]:8080"),
    ],
)
def test_an_endpoint_url_wins_over_the_region(
    url: str, host: str, port: int, secure: bool, prefix: str, authority: str
) -> None:
    endpoint = find_endpoint({"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": url})
    assert endpoint == Endpoint(
        region="eu-west-1", host=host, port=port, secure=secure, prefix=prefix
    )
    assert endpoint.authority == authority


def test_the_endpoint_of_the_service_wins_over_the_endpoint_of_all() -> None:
    environ = {
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://all",
        "AWS_ENDPOINT_URL_LAMBDA": "http://lambda",
    }
    assert find_endpoint(environ).host == "lambda"
    assert find_endpoint(environ, url="http://argument").host == "argument"


def test_configured_endpoints_can_be_switched_off() -> None:
    environ = {
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_LAMBDA": "http://lambda",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    }
    assert find_endpoint(environ).host == "lambda.eu-west-1.amazonaws.com"


def test_an_argument_wins_over_the_environments_region() -> None:
    environ = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}
    assert find_endpoint(environ).region == "eu-west-1"
    assert find_endpoint(environ, region="us-east-1").region == "us-east-1"
    assert find_endpoint({"AWS_DEFAULT_REGION": "eu-west-2"}).region == "eu-west-2"


@pytest.mark.parametrize(
    "url",
    [
        "lambda:9001",
        "ftp://x",
        "http://",
        "http://h:port",
        "http://h:99999",
        "http://h?x=1",
        "http://h#x",
        "http://user@h",
    ],
)
def test_an_invalid_endpoint_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="not an endpoint URL"):
        find_endpoint({"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL_LAMBDA": url})


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.from_regex(
        r"https?://[a-zA-Z0-9._-]{1,9}(:[0-9]{1,5})?(/[a-zA-Z0-9._-]{0,5}){0,3}", fullmatch=True
    )
)
def test_a_plain_url_is_read_as_any_other(url: str) -> None:
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except ValueError:
        with pytest.raises(ConfigError, match="not an endpoint URL"):
            Endpoint.at(url, region="eu-west-1")
        return
    assert Endpoint.at(url, region="eu-west-1") == Endpoint(
        region="eu-west-1",
        host=parts.hostname or "",
        port=port,
        secure=parts.scheme == "https",
        prefix="".join(f"/{part}" for part in parts.path.split("/") if part),
    )


def test_a_plain_url_needs_no_library() -> None:
    script = (
        "import sys; from durable_execution_sdk.aws.endpoint import Endpoint;"
        "Endpoint.at('http://127.0.0.1:9000/lambda', region='eu-west-1');"
        "print('urllib.parse' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize("flag", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
def test_a_choice_of_awss_endpoints_and_another_endpoint_contradict(flag: str) -> None:
    environ = {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://h", flag: "true"}
    with pytest.raises(ConfigError, match="unset them, or the endpoint URL"):
        find_endpoint(environ)


@pytest.mark.parametrize("region", ["evil.example/", "a b", "x\r\ny", "é"])
def test_an_invalid_region_is_refused(region: str) -> None:
    with pytest.raises(ConfigError, match="not an AWS region"):
        find_endpoint({"AWS_REGION": region})
