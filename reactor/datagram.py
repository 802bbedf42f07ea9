"""One UDP socket: the only file that calls recvfrom and sendto.

Datagrams have borders and no order, and each may be lost.  So what cannot be sent now waits in a
queue of whole datagrams, and when too many bytes wait, new ones are dropped and counted: that is
what the network would do with them.  Nothing here ever ends because of one peer.
"""
from __future__ import annotations

import socket
from collections import deque
from typing import Any, Deque, Optional, Tuple

from .endpoint import SocketEndpoint
from .errors import NOT_NOW
from .loop import EventLoop

LARGEST = 65536  # no datagram is larger, so none is ever cut
MOST_QUEUED, MOST_DATAGRAMS = 256 * 1024, 1024  # bytes, and how many: empty ones take memory too
BATCH = 16  # datagrams a turn, so that a flood leaves time for the others


class DatagramTransport(SocketEndpoint):
    """A datagram socket and its protocol.  Methods never block and never raise for what a peer does."""

    __slots__ = ("_queue", "_queued")

    def __init__(self, loop: EventLoop, sock: socket.socket, protocol: Any) -> None:
        super().__init__(loop, sock, protocol)
        self._queue: Deque[Tuple[bytes, Any]] = deque()
        self._queued = 0

    def why(self, writing: bool) -> str:
        """The reason why select watches this, for reading or for writing."""
        return f"because {len(self._queue)} datagrams are queued" if writing else "the datagram socket"

    def _on_readable(self) -> None:
        for _ in range(BATCH):
            if self._closing:
                return
            try:
                data, addr = self.sock.recvfrom(LARGEST)
            except OSError as exc:
                if exc.errno not in NOT_NOW:
                    self.tell("error", call="recvfrom", errno=exc.errno, why=str(exc))
                    self._protocol.error_received(exc)
                return
            self.tell("datagram received", size=len(data), data=data, peer=addr)
            self._protocol.datagram_received(data, addr)

    # What the network refuses is told to error_received() from the loop; after close() it is ignored.
    def sendto(self, data: bytes, addr: Any = None) -> None:
        """Send one datagram, to `addr` or to the remote address that the socket was opened with."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"a datagram is bytes, not {type(data).__name__}")
        data = bytes(data)
        if self._closing or not self._queue and self._offer(data, addr):
            return
        if self._queued + len(data) > MOST_QUEUED or len(self._queue) == MOST_DATAGRAMS:
            self.dropped += 1
            self.tell("dropped", size=len(data), why="too many are queued")
        else:
            self._queue.append((data, addr))
            self._queued += len(data)
            self.tell("datagram queued", size=len(data), depth=self._queued)
            self._watch_writing()

    def _offer(self, data: bytes, addr: Any) -> bool:
        try:
            if addr is None:
                self.sock.send(data)
            else:
                self.sock.sendto(data, addr)
            self.tell("datagram sent", size=len(data), data=data, peer=addr)
        except OSError as exc:
            if exc.errno in NOT_NOW:
                self.tell("blocked", call="sendto")
                return False
            self.tell("error", call="sendto", errno=exc.errno, why=str(exc), size=len(data))
            self.loop.call_soon(self._report, exc)
        return True

    def _report(self, exc: OSError) -> None:
        if not self._lost:
            self._protocol.error_received(exc)

    def _on_writable(self) -> None:
        while self._queue and self._offer(*self._queue[0]):
            self._queued -= len(self._queue.popleft()[0])
        if not self._queue:
            self._unwatch_writing()
            if self._closing:
                self.fail(None)

    def fail(self, exc: Optional[BaseException]) -> None:
        """End at once; but an exception that the protocol raised for one peer ends nothing for the others."""
        if exc is None:
            super().fail(None)

    def close(self) -> None:
        """Receive no more, send what is queued, then connection_lost(None), once.  Twice is once."""
        if not self._closing:
            self.tell("closing", depth=self._queued)
        self._closing = True
        self._unwatch()
        if not self._queue:
            self.fail(None)
