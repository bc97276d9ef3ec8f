"""Trusted certificate authorities: the system's, or those of ``AWS_CA_BUNDLE``.

Reading the system's whole bundle takes longer than all imports of a cold start, and a connection needs
one root certificate of it. Where the system also has a hashed directory of its roots, OpenSSL reads only
that one; the bundle is read only if verification with the directory fails.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping

__all__ = ["Trust"]

_HASHED = frozenset("0123456789abcdef")


class Trust:
    """Creates the TLS context for the first connection."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._bundle = environ.get("AWS_CA_BUNDLE") or None
        chosen = self._bundle or environ.get("SSL_CERT_FILE") or environ.get("SSL_CERT_DIR")
        self._directory = None if chosen else hashed_directory()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return the TLS context for the next connection."""
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._bundle, capath=self._directory)
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context

    def widen(self) -> bool:
        """Use the whole bundle from now on; return False if it is in use already."""
        if self._directory is None:
            return False
        self._directory = self._context = None
        return True


def hashed_directory() -> str | None:
    """Return the system's directory of root certificates, if its files are named by hash."""
    directory = ssl.get_default_verify_paths().capath
    if not directory:
        return None
    try:
        with os.scandir(directory) as entries:
            return directory if any(_is_hashed(entry.name) for entry in entries) else None
    except OSError:
        return None


def _is_hashed(name: str) -> bool:
    stem, _, number = name.partition(".")
    return len(stem) == 8 and _HASHED.issuperset(stem) and number.isdigit()
