"""Derived names: checkpoint tokens, callback ids and the ARNs of child executions.

They are computed from the log and not stored. Tokens and callback ids also include a proof made with
the store's secret, so that they cannot be forged without the store. Clients see opaque base64 text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec

from durable_execution_sdk.engine.rejections import not_found, stale_token
from durable_execution_sdk.engine.state import ExecutionState, RunningInvocation
from durable_execution_sdk.protocol.ids import ExecutionArn

_PROOF_LENGTH = 32


def checkpoint_token(run_id: str, invocation: int, sequence: int, secret: str = "") -> str:
    """Return the token for one checkpoint of one invocation."""
    return _encode([run_id, invocation, sequence], secret)


def require_current_token(state: ExecutionState, token: str) -> RunningInvocation:
    """Return the running invocation; raise ``Rejected`` unless the token is its newest."""
    if state.invocation is None or state.is_closed or state.invocation.token != token:
        raise stale_token()
    return state.invocation


def callback_id(arn: str, operation_id: str, secret: str = "") -> str:
    """Return the id with which an external system completes the callback."""
    return _encode([arn, operation_id], secret)


def parse_callback_id(text: str) -> tuple[str, str]:
    """Return the execution's ARN and the operation's id; raise ``Rejected`` for a malformed id."""
    try:
        parts = msgspec.json.decode(base64.b64decode(text, validate=True), type=tuple[str, ...])
        arn, operation_id = parts[:2]
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise not_found(f"There is no callback {text!r}: the id is not one of ours.") from error
    return arn, operation_id


def child_arn(parent_arn: str, operation_id: str, function_arn: str) -> str:
    """Return the ARN of the execution that a chained invoke of a durable function starts."""
    digest = hashlib.sha256(f"{parent_arn}\n{operation_id}".encode()).hexdigest()
    run_id = "-".join(
        (digest[:8], digest[8:12], "8" + digest[13:16], "8" + digest[17:20], digest[20:32])
    )
    return f"{function_arn}/durable-execution/{run_id}/{run_id}"


def execution_name(arn: str) -> str:
    """Return the execution's name from its ARN."""
    return ExecutionArn.parse(arn).execution_name


def _encode(parts: list[str | int], secret: str) -> str:
    if secret:
        # All other parts can be guessed from the ARN.
        text = "\n".join([secret, *map(str, parts)])
        parts = [*parts, hashlib.sha256(text.encode()).hexdigest()[:_PROOF_LENGTH]]
    return base64.b64encode(msgspec.json.encode(parts)).decode()
