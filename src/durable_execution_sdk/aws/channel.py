"""A byte stream to the API, in the clear or over TLS, on a plain socket.

The socket is registered with the event loop only while a call waits for it. So nothing of an idle
connection can run in the next invocation, the kernel can be asked at any time whether the peer has
hung up, and a connection can be closed when its loop is gone.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Protocol

__all__ = ["Channel", "PlainChannel", "TlsChannel", "open_channel"]

_AT_ONCE = 64 * 1024
# A long synchronous invoke is silent for minutes; NAT gateways forget silent connections.
_KEEP_ALIVE_AFTER = 60


class Channel(Protocol):
    """Bytes out, bytes in."""

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        ...

    async def receive(self) -> bytes:
        """Some bytes; none when the peer sends no more."""
        ...

    def is_quiet(self) -> bool:
        """Whether the peer neither hung up nor sent anything that was not asked for."""
        ...

    def close(self) -> None:
        """Hang up at once."""
        ...


async def open_channel(host: str, port: int, *, tls: ssl.SSLContext | None) -> Channel:
    """Connect to the first address of the host that answers. Raises ``OSError``."""
    loop = asyncio.get_running_loop()
    # Text would load the codec for names in other alphabets, with its tables.
    name = host.encode() if host.isascii() else host
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in found:
        try:
            plain = PlainChannel(socket.socket(family, kind, protocol))
        except OSError as error:
            failure = error
            continue
        try:
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
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):  # pragma: no branch - macOS has another name for it
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEP_ALIVE_AFTER)
        self._socket = sock

    async def connect(self, address: tuple[object, ...]) -> None:
        """Connect to an address that is resolved."""
        await asyncio.get_running_loop().sock_connect(self._socket, address)

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def receive(self) -> bytes:
        """Some bytes; none when the peer sends no more."""
        return await asyncio.get_running_loop().sock_recv(self._socket, _AT_ONCE)

    def waiting(self) -> bytes | None:
        """What has come already: ``None`` is nothing, no bytes means that the peer hung up."""
        try:
            return self._socket.recv(_AT_ONCE)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def is_quiet(self) -> bool:
        """Whether the peer neither hung up nor sent anything that was not asked for."""
        return self.waiting() is None

    def close(self) -> None:
        """Hang up at once."""
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
        """Agree on keys, and check that the peer is who it should be."""
        channel = cls(plain, tls, host)
        while True:
            try:
                channel._tls.do_handshake()
            except ssl.SSLWantReadError:
                await channel._flush()
                await channel._fill()
            else:
                await channel._flush()
                return channel

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        self._tls.write(data)
        await self._flush()

    async def receive(self) -> bytes:
        """Some bytes; none when the peer sends no more."""
        while True:
            try:
                return self._tls.read(_AT_ONCE)
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()

    def is_quiet(self) -> bool:
        """Whether the peer neither hung up nor sent anything that was not asked for.

        Session tickets and new keys come unasked and mean nothing.
        """
        while (waiting := self._plain.waiting()) is not None:
            if not waiting:
                return False
            self._incoming.write(waiting)
        try:
            self._tls.read(1)
        except ssl.SSLWantReadError:
            return True
        except ssl.SSLError:
            return False
        return False

    def close(self) -> None:
        """Hang up at once."""
        self._plain.close()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._plain.send(self._outgoing.read())

    async def _fill(self) -> None:
        data = await self._plain.receive()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
