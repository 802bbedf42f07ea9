"""Echo: every byte goes back to where it came from (RFC 862)."""
from __future__ import annotations

from .base import Protocol, Transport


class Echo(Protocol):
    """Write back what arrives, in order, and hold at most one high-water mark of it.

    A peer that stops reading is no longer read from, so that its own sending
    stops: back pressure.  A peer that half-closes still gets everything back,
    then end of file, because a transport delivers what is queued before it closes.
    """

    __slots__ = ("_transport",)

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()
