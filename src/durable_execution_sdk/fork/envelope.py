"""The envelope: the input that starts a fork, and the name by which it is known to be one.

The input of an execution is data that may come from anywhere, and an envelope decides the results of steps. So an
input is taken for an envelope only if the execution has the name ``fork-<hash of the envelope>``: the name is chosen by
the caller who starts the execution, not by the author of the input. Under any other name the same text is an input
like others. Only under a name that begins with ``fork-`` an envelope that does not fit is refused, because no workflow
expects one: it was tampered with, or copied.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from msgspec import Struct, field

from durable_execution_sdk.errors import ExecutionError

__all__ = ["Envelope", "believed_envelope", "envelope_of"]

_PREFIX = "fork-"
_TAG = "durable_fork"
# 56 hexadecimal digits: a name has 64 characters at most.
_HASH_BYTES = 28


class Envelope(
    Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename="camel",
):
    """The origin of a fork, and what is changed in it.

    ``arn`` is the execution that it is made of, ``first_arn`` the first one in a line of forks. ``before`` is the id of
    the operation at which the old history is cut; without one all of it is taken over. ``input`` and ``results``, by
    operation id, are JSON texts that replace those of the origin. ``nonce`` tells apart forks that are otherwise equal.
    """

    arn: str
    first_arn: str
    nonce: str
    before: str | None = None
    input: str | None = None
    results: dict[str, str] = {}

    @property
    def payload(self) -> str:
        """The input with which the fork is started."""
        return _encode(_Payload(envelope=self)).decode()

    @property
    def name(self) -> str:
        """The name under which the fork has to be started."""
        digest = blake2b(self.payload.encode(), digest_size=_HASH_BYTES)
        return f"{_PREFIX}{digest.hexdigest()}"


class _Payload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    envelope: Envelope = field(name=_TAG)


# Equal envelopes are equal texts: dictionaries are written in the order of their keys.
_encode = msgspec.json.Encoder(order="deterministic").encode


def believed_envelope(name: str, payload: str | None) -> Envelope | None:
    """Return the envelope of a fork with this name and input; ``None`` if the execution is not a fork.

    Raises ``ExecutionError`` for an envelope under a name of the form of forks that is not its own.
    """
    if payload is None or not name.startswith(_PREFIX) or not _has_tag(payload):
        return None
    try:
        envelope = msgspec.json.decode(payload, type=_Payload).envelope
    except msgspec.DecodeError as error:
        raise ExecutionError(
            f"the input of {name!r} is the envelope of a fork, and cannot be read: {error}. A newer version of"
            " the SDK made it, or it was changed: make the fork again, by `durable fork` or client.fork"
        ) from error
    if envelope.name != name:
        raise ExecutionError(
            f"the input of {name!r} is the envelope of a fork of {envelope.arn}, which has the name"
            f" {envelope.name!r}: it was changed after the fork was made, or started by hand under another"
            " name. It is not believed, because results of steps can be forged so. Make the fork again, by"
            " `durable fork` or client.fork"
        )
    return envelope


def envelope_of(name: str | None, payload: str | None) -> Envelope | None:
    """Return the envelope of a fork with this name and input, for display; ``None`` if there is none to believe."""
    try:
        return believed_envelope(name or "", payload)
    except ExecutionError:
        return None


def _has_tag(payload: str) -> bool:
    """Return ``True`` for the JSON text of an object with the member of envelopes."""
    if _TAG not in payload:
        return False
    try:
        return _TAG in msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
