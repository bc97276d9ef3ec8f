"""A byte stream to the API, in the clear or over TLS, and the certificates that it trusts.

Nothing here waits, apart from the opening of a channel: the owner watches the socket, and calls again when
it is readable or writable. So an owner decides for how long a socket is registered with the event loop, a
read shows at any time if the peer has closed, and a channel can be closed after its loop has ended.

Reading the system's whole bundle takes longer than all imports of a cold start, and a connection needs
one root certificate of it. Where the system also has a hashed directory of its roots, OpenSSL reads only
that one; the bundle is read only if verification with the directory fails.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import ssl
from collections.abc import Mapping

__all__ = ["Channel", "PlainChannel", "TlsChannel", "Trust", "open_channel"]


_READ_BYTES = 64 * 1024
# A long synchronous invoke sends nothing for minutes, and NAT gateways drop silent connections.
_KEEP_ALIVE_AFTER = 60
# macOS has another name for it.
_KEEP_IDLE: int = getattr(
    socket, "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE"
)
# Seconds for each address but the last, so that one in an unreachable network leaves time for the others.
_ADDRESS_SECONDS = 1.5


async def open_channel(host: str, port: int, *, tls: ssl.SSLContext | None) -> Channel:
    """Connect to the first address of the host that accepts; raise ``OSError`` if none does."""
    loop = asyncio.get_running_loop()
    # Bytes, because text would import the "idna" codec with its tables.
    name = host.encode() if host.isascii() else host
    try:
        addresses = socket.getaddrinfo(
            name, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except socket.gaierror:
        addresses = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    failure = OSError(f"{host} has no address")
    for left, (family, kind, protocol, _, address) in enumerate(addresses, 1 - len(addresses)):
        try:
            plain = PlainChannel(socket.socket(family, kind, protocol))
        except OSError as error:
            failure = error
            continue
        try:
            async with asyncio.timeout(_ADDRESS_SECONDS if left else None):
                await plain.connect(address)
            return plain if tls is None else await TlsChannel.over(plain, tls, host)
        except ssl.SSLError:
            plain.close()
            raise
        except OSError as error:
            plain.close()
            failure = error
        except BaseException:
            plain.close()
            raise
    raise failure


class PlainChannel:
    """A TCP connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, _KEEP_IDLE, _KEEP_ALIVE_AFTER)
        self._unsent: memoryview | None = None
        # A poll costs an eighth of a read that finds nothing.
        self._readable = select.poll()
        self._readable.register(sock, select.POLLIN)

    async def connect(self, address: tuple[object, ...]) -> None:
        """Connect to a resolved address."""
        await asyncio.get_running_loop().sock_connect(self._socket, address)

    async def send_all(self, data: bytes) -> None:
        """Send all of the data, and wait until that is done."""
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def receive_some(self) -> bytes:
        """Wait for data, and return it; no bytes when the peer has closed its side."""
        return await asyncio.get_running_loop().sock_recv(self._socket, _READ_BYTES)

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._socket.fileno()

    def send(self, data: bytes) -> bool:
        """Send the data; return ``False`` if some is left for ``flush``, once the socket is writable."""
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return True
        self._unsent = memoryview(data)[sent:]
        return False

    def flush(self) -> bool:
        """Send data that is left; return ``False`` if some is left still."""
        if self._unsent is not None:
            try:
                self._unsent = self._unsent[self._socket.send(self._unsent) :] or None
            except BlockingIOError:
                return False
        return self._unsent is None

    def receive(self) -> bytes | None:
        """Read from the socket once: ``None`` if nothing has arrived, ``b""`` if the peer has closed its side."""
        try:
            return self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return None

    def rest(self) -> bytes | None:
        """Return ``None``: nothing is held back here."""
        return None

    def is_quiet(self) -> bool:
        """True when the peer has neither closed the connection nor sent unrequested data."""
        return not self._readable.poll(0)

    def close(self) -> None:
        """Close the connection at once."""
        self._socket.close()

    def __del__(self) -> None:
        """Close the connection of a thread that has ended."""
        self._socket.close()


class TlsChannel:
    """TLS over a TCP connection."""

    def __init__(self, plain: PlainChannel, tls: ssl.SSLContext, host: str) -> None:
        self._plain = plain
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = tls.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    @classmethod
    async def over(cls, plain: PlainChannel, tls: ssl.SSLContext, host: str) -> TlsChannel:
        """Perform the TLS handshake over a connection; raise ``ssl.SSLError`` for a wrong certificate."""
        channel = cls(plain, tls, host)
        while True:
            try:
                channel._tls.do_handshake()
            except ssl.SSLWantReadError:
                await plain.send_all(channel._outgoing.read())
                channel._take(await plain.receive_some())
            else:
                await plain.send_all(channel._outgoing.read())
                return channel

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._plain.fileno()

    def send(self, data: bytes) -> bool:
        """Send the data; return ``False`` if some is left for ``flush``, once the socket is writable."""
        self._tls.write(data)
        return self.flush()

    def flush(self) -> bool:
        """Send data that is left; return ``False`` if some is left still."""
        if not self._plain.flush():
            return False
        return not self._outgoing.pending or self._plain.send(self._outgoing.read())

    def receive(self) -> bytes | None:
        """Read from the socket once: ``None`` if nothing has arrived, ``b""`` if the peer has closed its side.

        TLS itself may have data to send then, such as new keys: see ``flush``.
        """
        data = self._plain.receive()
        if data is not None:
            self._take(data)
        return self.rest()

    def rest(self) -> bytes | None:
        """Return the next record that has arrived; ``None`` if there is none."""
        try:
            return self._tls.read(_READ_BYTES)
        except ssl.SSLWantReadError:
            return None

    def is_quiet(self) -> bool:
        """True when the peer has neither closed the connection nor sent unrequested data.

        Session tickets and key updates of TLS do not count.
        """
        try:
            while not self._plain.is_quiet():
                data = self._plain.receive()
                if not data:
                    return False
                self._incoming.write(data)
            self._tls.read(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close the connection at once."""
        self._plain.close()

    def _take(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


Channel = PlainChannel | TlsChannel
"""A byte stream to a peer. All methods may raise ``OSError``."""


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
