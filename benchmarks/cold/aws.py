"""Cold start with aws-durable-execution-sdk-python and its default client."""

import json
import os
import sys

from aws_durable_execution_sdk_python import DurableContext, StepContext, durable_execution


def double(_: StepContext) -> int:
    return 42


@durable_execution
def handler(event: int, ctx: DurableContext) -> int:
    assert event == 21
    return ctx.step(double)


class LambdaContext:
    aws_request_id = "00000000-0000-0000-0000-000000000000"
    function_name = "bench"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:bench:$LATEST"
    tenant_id = None

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


if __name__ == "__main__":
    outcome = handler(json.load(sys.stdin), LambdaContext())
    assert outcome == {"Status": "SUCCEEDED", "Result": "42"}, outcome
    os._exit(0)  # Lambda's process goes on: to end it belongs to no cold start
