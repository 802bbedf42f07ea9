"""Hello: one line of greeting for everyone who calls."""
from __future__ import annotations

from .base import Protocol, Transport


class Hello(Protocol):
    """Write `Hello <address of the client>` and CRLF, then close.

    A client on a Unix socket has no address; it is on this machine: `Hello localhost`.
    """

    __slots__ = ()

    def connection_made(self, transport: Transport) -> None:
        peer = transport.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else "localhost"
        transport.write(f"Hello {address}\r\n".encode())
        transport.close()
