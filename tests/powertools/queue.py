"""Events of a queue, as Lambda gives them to a function."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def sqs_event(*bodies: object) -> dict[str, Any]:
    """Return the event of a batch of messages, whose ids are ``message-0`` and on."""
    return {"Records": [_record(n, json.dumps(body)) for n, body in enumerate(bodies)]}


def _record(number: int, body: str) -> dict[str, Any]:
    return {
        "messageId": f"message-{number}",
        "receiptHandle": "receipt",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1767225600000",
            "SenderId": "sender",
            "ApproximateFirstReceiveTimestamp": "1767225600001",
        },
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:orders",
        "awsRegion": "us-east-1",
    }
