"""Capitals: the course texts' first protocol, as a stream, as a session of lines, and as datagrams.

Capitals are those of `bytes.upper()`: a to z change, every other byte stays.
"""
from __future__ import annotations

from typing import Any, Optional, Tuple

from .base import DatagramProtocol, DatagramTransport
from .echo import Echo
from .request_reply import RequestReply


class Uppercase(Echo):
    """An echo in capitals.  With `once`, the first bytes that arrive are answered and the connection closes."""

    __slots__ = ("_once",)

    def __init__(self, *, once: bool = False) -> None:
        self._once = once

    def data_received(self, data: bytes) -> None:
        self._transport.write(data.upper())
        if self._once:
            self._transport.close()


class UppercaseLines(RequestReply):
    """Each line back in capitals; an empty line ends the session."""

    __slots__ = ()

    def answer(self, request: bytes) -> Optional[bytes]:
        return request.upper() or None


class UppercaseDatagrams(DatagramProtocol):
    """Each datagram back in capitals to its sender, an empty one too."""

    __slots__ = ("_transport",)

    def connection_made(self, transport: DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Tuple[Any, ...]) -> None:
        self._transport.sendto(data.upper(), addr)
