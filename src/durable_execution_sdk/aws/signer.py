"""Signature Version 4: requests with a known body, signed, and paths encoded as it wants them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Iterable, Mapping

import msgspec

__all__ = ["Credentials", "PartialSignature", "Signer", "query_string", "segment", "twice"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_BLOCK_BYTES = 64
_INNER = int.from_bytes(b"\x36" * _BLOCK_BYTES)
_OUTER = int.from_bytes(b"\x5c" * _BLOCK_BYTES)


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Keys that sign requests; temporary credentials have a session token."""

    access_key: str
    secret_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        """Show the access key only, to keep the secrets out of logs and tracebacks."""
        return f"Credentials(access_key={self.access_key!r})"


class PartialSignature:
    """The signature of everything in a request but its body; valid in one second of the clock.

    ``headers`` are those of the request, in the order in which they are sent. ``authorization`` is the value
    of one more header, without the signature at its end.
    """

    __slots__ = ("_canonical", "_inner", "_outer", "authorization", "headers")

    def __init__(
        self, headers: dict[str, str], authorization: str, canonical: str, key: bytes, to_sign: str
    ) -> None:
        self.headers = headers
        self.authorization = authorization
        self._canonical = hashlib.sha256(canonical.encode())
        self._inner, self._outer = _hmac_hashes(key)
        self._inner.update(to_sign.encode())

    def of(self, body: bytes) -> str:
        """Return the signature of the request with this body."""
        canonical = self._canonical.copy()
        canonical.update(hashlib.sha256(body).hexdigest().encode())
        inner = self._inner.copy()
        inner.update(canonical.hexdigest().encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


class Signer:
    """Signs requests to one service in one region; derives the signing key once a day."""

    def __init__(self, *, region: str, service: str) -> None:
        self._region = region
        self._service = service
        self._derived: tuple[str, str, bytes] | None = None

    def sign(
        self,
        *,
        method: str,
        canonical_path: str,
        canonical_query: str,
        headers: Mapping[str, str],
        body: bytes,
        credentials: Credentials,
        now: float,
    ) -> dict[str, str]:
        """Return the headers of the signed request: ``headers`` (names in lower case) and the signature.

        All of ``headers`` are signed; add those that proxies may change to the result. ``now`` is in
        seconds since the epoch.
        """
        partial = self.prepare(
            method=method,
            canonical_path=canonical_path,
            canonical_query=canonical_query,
            headers=headers,
            credentials=credentials,
            now=now,
        )
        return {**partial.headers, "authorization": partial.authorization + partial.of(body)}

    def prepare(
        self,
        *,
        method: str,
        canonical_path: str,
        canonical_query: str,
        headers: Mapping[str, str],
        credentials: Credentials,
        now: float,
    ) -> PartialSignature:
        """Sign all of a request but its body; the arguments are those of ``sign``."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        signed = {**headers, "x-amz-date": stamp}
        if credentials.session_token:
            signed["x-amz-security-token"] = credentials.session_token
        names = sorted(signed)
        signed_headers = ";".join(names)
        lines = "".join([f"{name}:{' '.join(signed[name].split())}\n" for name in names])
        scope = f"{stamp[:8]}/{self._region}/{self._service}/aws4_request"
        return PartialSignature(
            signed,
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={signed_headers}, Signature=",
            f"{method}\n{canonical_path}\n{canonical_query}\n{lines}\n{signed_headers}\n",
            self._key(credentials.secret_key, stamp[:8]),
            f"{_ALGORITHM}\n{stamp}\n{scope}\n",
        )

    def _key(self, secret: str, day: str) -> bytes:
        derived = self._derived
        if derived is None or derived[0] != day or derived[1] != secret:
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = _hmac(key, part)
            self._derived = derived = (day, secret, key)
        return derived[2]


def _hmac_hashes(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    """Return the inner and the outer hash of HMAC (RFC 2104), as far as they depend on the key only.

    The module ``hmac`` takes twice as long to go on from a known start of the text, and costs a cold start
    one module more.
    """
    if len(key) > _BLOCK_BYTES:
        key = hashlib.sha256(key).digest()
    block = int.from_bytes(key.ljust(_BLOCK_BYTES, b"\0"))
    inner, outer = (block ^ _INNER).to_bytes(_BLOCK_BYTES), (block ^ _OUTER).to_bytes(_BLOCK_BYTES)
    return hashlib.sha256(inner), hashlib.sha256(outer)


def _hmac(key: bytes, text: str) -> bytes:
    inner, outer = _hmac_hashes(key)
    inner.update(text.encode())
    outer.update(inner.digest())
    return outer.digest()


_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


@functools.cache
def _encoded(byte: int) -> str:
    return chr(byte) if byte in _UNRESERVED else f"%{byte:02X}"


def segment(text: str) -> str:
    """Encode text as one path segment; slashes, colons and dollars are encoded too."""
    return "".join(map(_encoded, text.encode()))


def query_string(parameters: Iterable[tuple[str, str]]) -> str:
    """Encode and sort parameters: the canonical query of SigV4, which is also sent."""
    pairs = sorted((segment(name), segment(value)) for name, value in parameters)
    return "&".join([f"{name}={value}" for name, value in pairs])


def twice(path: str) -> str:
    """Encode an encoded path again: the canonical path of SigV4 for all services but S3."""
    return path.replace("%", "%25")
