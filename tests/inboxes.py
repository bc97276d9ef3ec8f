"""Send messages to an inbox of an execution on a rig, as a client does."""

from __future__ import annotations

import itertools
import json
from typing import Any

from tests.rig import Rig

from durable_execution_sdk.engine.views.inboxes import inboxes
from durable_execution_sdk.protocol.inboxes import message_payload

_ids = itertools.count(1)


def room(rig: Rig, arn: str, inbox: str) -> dict[int, str]:
    """Return the open callbacks of an inbox, by number."""
    operations = [each.operation for each in rig.emulator.progress(arn).operations]
    found = inboxes(operations).get(inbox)
    return {} if found is None else found.open


def send(rig: Rig, arn: str, inbox: str, value: Any, message_id: str | None = None) -> int:
    """Send a message; return its number."""
    found = room(rig, arn, inbox)
    number = min(found)
    payload = message_payload(message_id or f"message {next(_ids)}", json.dumps(value))
    rig.emulator.callback_success(found[number], payload.encode())
    return number


def run_now(rig: Rig, arn: str) -> Any:
    """Run what is due now."""
    return rig.drive(arn, until=rig.clock.now() + 1)
