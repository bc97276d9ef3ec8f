"""Compare our SigV4 signer with botocore's and awscrt's: CPU time of the import, and per request.

    python benchmarks/signer.py

Signers that are not installed are left out (pip install botocore awscrt).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cold_import import import_cost

from durable_execution_sdk.aws.signer import Credentials, Signer, segment, twice

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST/durable-execution/name/run"
PATH = f"/2025-12-01/durable-executions/{segment(ARN)}/checkpoint"
HOST = "lambda.eu-west-1.amazonaws.com"
BODY = b'{"CheckpointToken":"' + b"x" * 1000 + b'"}'
ACCESS_KEY, SECRET_KEY, TOKEN = "AKIDEXAMPLE", "secret" * 7, "token" * 200
REQUESTS = 5_000


def ours() -> Callable[[], object]:
    """Return a call of this project's signer."""
    signer = Signer(region="eu-west-1", service="lambda")
    credentials = Credentials(access_key=ACCESS_KEY, secret_key=SECRET_KEY, session_token=TOKEN)
    headers = {"host": HOST, "content-type": "application/json"}
    return lambda: signer.sign(
        method="POST",
        canonical_path=twice(PATH),
        canonical_query="",
        headers=headers,
        body=BODY,
        credentials=credentials,
        now=time.time(),
    )


def botocore() -> Callable[[], object]:
    """Return a call of botocore's signer."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as BotocoreCredentials

    auth: Any = SigV4Auth(BotocoreCredentials(ACCESS_KEY, SECRET_KEY, TOKEN), "lambda", "eu-west-1")

    def sign() -> object:
        request: Any = AWSRequest(
            method="POST",
            url=f"https://{HOST}{PATH}",
            data=BODY,
            headers={"content-type": "application/json"},
        )
        auth.add_auth(request)
        return request

    return sign


def awscrt() -> Callable[[], object]:
    """Return a call of the AWS common runtime's signer."""
    import io

    from awscrt.auth import (
        AwsCredentialsProvider,
        AwsSigningAlgorithm,
        AwsSigningConfig,
        aws_sign_request,
    )
    from awscrt.http import HttpHeaders, HttpRequest

    provider = AwsCredentialsProvider.new_static(ACCESS_KEY, SECRET_KEY, TOKEN)

    def sign() -> object:
        config = AwsSigningConfig(
            algorithm=AwsSigningAlgorithm.V4,
            credentials_provider=provider,
            region="eu-west-1",
            service="lambda",
        )
        headers = HttpHeaders([("host", HOST), ("content-type", "application/json")])
        request = HttpRequest("POST", PATH, headers, io.BytesIO(BODY))
        return aws_sign_request(request, config).result()

    return sign


SIGNERS: list[tuple[str, str, Callable[[], Callable[[], object]]]] = [
    ("this project", "import durable_execution_sdk.aws.signer", ours),
    ("botocore", "import botocore.auth, botocore.awsrequest", botocore),
    ("awscrt", "import awscrt.auth, awscrt.http", awscrt),
]


def per_request(sign: Callable[[], object]) -> float:
    """Return the CPU time per request in microseconds, the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(REQUESTS):
            sign()
        best = min(best, (time.process_time() - began) / REQUESTS * 1e6)
    return best


def main() -> None:
    """Print the figures."""
    print(f"{'signer':<14}{'import, ms CPU':>16}{'modules':>9}{'per request, us CPU':>21}")
    for name, statement, make in SIGNERS:
        cost = import_cost(statement)
        if cost is None:
            print(f"{name:<14}{'not installed':>16}")
            continue
        print(f"{name:<14}{cost.milliseconds:>16.1f}{cost.modules:>9}{per_request(make()):>21.1f}")


if __name__ == "__main__":
    main()
