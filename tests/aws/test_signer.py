"""SigV4, compared with AWS's published vectors and with botocore."""

from __future__ import annotations

import calendar
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from durable_execution_sdk.aws.signer import Credentials, Signer, query_string, segment, twice

# The credentials of the examples in AWS's documentation.
EXAMPLE = Credentials(
    access_key="AKIDEXAMPLE", secret_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)
EXAMPLE_TIME = calendar.timegm((2015, 8, 30, 12, 36, 0))


@pytest.mark.parametrize(
    ("method", "query", "signature"),
    [
        ("GET", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            "Param1=value1&Param2=value2",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
    ],
)
def test_aws_test_suite_vectors(method: str, query: str, signature: str) -> None:
    headers = Signer(region="us-east-1", service="service").sign(
        method=method,
        canonical_path="/",
        canonical_query=query,
        headers={"host": "example.amazonaws.com"},
        body=b"",
        credentials=EXAMPLE,
        now=EXAMPLE_TIME,
    )
    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}"
    )


def test_the_example_of_the_iam_user_guide() -> None:
    headers = Signer(region="us-east-1", service="iam").sign(
        method="GET",
        canonical_path="/",
        canonical_query="Action=ListUsers&Version=2010-05-08",
        headers={
            "host": "iam.amazonaws.com",
            "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        },
        body=b"",
        credentials=EXAMPLE,
        now=EXAMPLE_TIME,
    )
    assert headers["authorization"].endswith(
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@given(
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    parts=st.lists(texts.filter(lambda part: part not in {"", ".", ".."}), max_size=4),
    query=st.lists(st.tuples(texts.filter(bool), texts), max_size=4),
    trace=header_values,
    body=st.binary(max_size=60),
    secret=secrets,
    token=st.none() | secrets,
    now=st.integers(0, 4_000_000_000),
)
def test_signatures_equal_those_of_botocore(
    method: str,
    parts: list[str],
    query: list[tuple[str, str]],
    trace: str,
    body: bytes,
    secret: str,
    token: str | None,
    now: int,
) -> None:
    path = "".join(f"/{segment(part)}" for part in parts) or "/"
    encoded_query = query_string(query)
    own_headers = Signer(region="eu-west-1", service="lambda").sign(
        method=method,
        canonical_path=twice(path),
        canonical_query=encoded_query,
        headers={"host": "lambda.eu-west-1.amazonaws.com", "x-amz-something": trace},
        body=body,
        credentials=Credentials(access_key="AKID", secret_key=secret, session_token=token),
        now=now,
    )
    botocore_headers = botocore_signature(
        method=method,
        url=f"https://lambda.eu-west-1.amazonaws.com{path}"
        + (f"?{encoded_query}" if encoded_query else ""),
        body=body,
        headers={
            name: value
            for name, value in own_headers.items()
            if name not in {"authorization", "host"}
        },
        credentials=BotocoreCredentials("AKID", secret, token),
    )
    assert own_headers["authorization"].rpartition("=")[2] == botocore_headers


def botocore_signature(
    *, method: str, url: str, body: bytes, headers: dict[str, str], credentials: Any
) -> str:
    auth: Any = SigV4Auth(credentials, "lambda", "eu-west-1")
    request: Any = AWSRequest(method=method, url=url, data=body, headers=headers)
    request.context["timestamp"] = headers["x-amz-date"]
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    signature: str = auth.signature(to_sign, request)
    return signature


def test_a_new_day_and_a_new_secret_have_a_new_key() -> None:
    signer = Signer(region="eu-west-1", service="lambda")

    def signature(secret: str, now: int, with_signer: Signer) -> str:
        return with_signer.sign(
            method="GET",
            canonical_path="/",
            canonical_query="",
            headers={"host": "h"},
            body=b"",
            credentials=Credentials(access_key="A", secret_key=secret),
            now=now,
        )["authorization"]

    for secret, now in [("a", 0), ("a", 1), ("a", 90_000), ("b", 90_000), ("a", 0)]:
        fresh = Signer(region="eu-west-1", service="lambda")
        assert signature(secret, now, signer) == signature(secret, now, fresh)


@given(texts)
def test_a_segment_is_encoded_as_the_standard_library_does(text: str) -> None:
    assert segment(text) == quote(text, safe="-_.~")


def test_an_arn_is_one_segment() -> None:
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST/durable-execution/n/r"
    assert segment(arn) == (
        "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Af%3A%24LATEST"
        "%2Fdurable-execution%2Fn%2Fr"
    )


def test_credentials_keep_their_secrets_out_of_logs() -> None:
    text = repr(Credentials(access_key="AKID", secret_key="hush", session_token="hush"))
    assert "AKID" in text
    assert "hush" not in text
