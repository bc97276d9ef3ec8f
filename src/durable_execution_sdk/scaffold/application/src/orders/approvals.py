"""The function behind the function URL: it answers the question for approval."""

import base64
import json
from typing import Any

from durable_execution_sdk import ServiceError
from durable_execution_sdk.client import SyncDurableClient

from orders.models import Decision


def answer_approval(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer a callback. The body: ``{"callback_id": "...", "approved": true, "by": "Ada"}``.

    The function URL checks the caller: it lets through what IAM allows.
    """
    text = event.get("body") or ""
    try:
        body = json.loads(base64.b64decode(text) if event.get("isBase64Encoded") else text)
    except ValueError as error:
        return _response(400, f"the body is not JSON: {error}")
    match body:
        case {"callback_id": str(callback_id), "approved": bool(approved), "by": str(by)}:
            decision = Decision(approved, by)
        case _:
            return _response(400, "expected callback_id, approved (true or false) and by")
    try:
        with SyncDurableClient() as client:
            client.callback(callback_id).succeed(decision)
    except ServiceError as error:
        return _response(409, f"the callback cannot be answered: {error}")
    return _response(200, "answered")


def _response(status: int, message: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"message": message}),
    }
