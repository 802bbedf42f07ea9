"""One UDP socket: the only file that calls recvfrom and sendto.

Datagrams have borders and no order, and each may be lost.  So what cannot be sent now waits in a
queue of whole datagrams, and when too many bytes wait, new ones are dropped and counted: that is
what the network would do with them.  Nothing here ever ends because of one peer.
"""
from __future__ import annotations

import socket
from collections import deque
from typing import Any, Deque, Optional, Tuple

from .errors import NOT_NOW
from .loop import Endpoint, EventLoop, Watcher

LARGEST = 65536  # no datagram is larger, so none is ever cut
MOST_QUEUED = 256 * 1024
BATCH = 16  # datagrams a turn, so that a flood leaves time for the others


class DatagramTransport(Endpoint):
    """A datagram socket and its protocol.  Methods never block and never raise for what a peer does."""

    __slots__ = ("sock", "_protocol", "_reader", "_writer", "_queue", "_queued", "_closing", "_lost", "dropped")

    def __init__(self, loop: EventLoop, sock: socket.socket, protocol: Any) -> None:
        super().__init__(loop)
        self.sock = sock
        self.dropped = 0  # datagrams for which the queue had no room
        self._protocol = protocol
        self._reader: Optional[Watcher] = None
        self._writer: Optional[Watcher] = None
        self._queue: Deque[Tuple[bytes, Any]] = deque()
        self._queued = 0
        self._closing = False
        self._lost = False

    def __repr__(self) -> str:
        return f"<DatagramTransport {self.name} fd={self.sock.fileno()}, {self._queued} bytes queued>"

    def why(self, writing: bool) -> str:
        """The reason why select watches this."""
        return f"because {len(self._queue)} datagrams are queued" if writing else "the datagram socket"

    def begin(self) -> None:
        """Introduce the protocol and start to read; called once, by the loop."""
        self._protocol.connection_made(self)
        if not self._closing:
            self._reader = self.loop.add_reader(self.sock, self._on_readable)

    def _on_readable(self) -> None:
        for _ in range(BATCH):
            if self._closing:
                return
            try:
                data, addr = self.sock.recvfrom(LARGEST)
            except OSError as exc:
                if exc.errno not in NOT_NOW:
                    self._protocol.error_received(exc)
                return
            if self.loop.observer is not None:
                self.loop.tell("received", who=self.name, size=len(data), head=data[:40])
            self._protocol.datagram_received(data, addr)

    def sendto(self, data: bytes, addr: Any = None) -> None:
        """Send one datagram, to `addr` or to the remote address that the socket was opened with.

        What the network refuses is told to error_received() from the loop; after close() it is ignored.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"a datagram is bytes, not {type(data).__name__}")
        if self._closing:
            return
        if self._queue or not self._offer(data, addr):
            self._enqueue(bytes(data), addr)

    def _offer(self, data: bytes, addr: Any) -> bool:
        try:
            if addr is None:
                self.sock.send(data)
            else:
                self.sock.sendto(data, addr)
        except OSError as exc:
            if exc.errno in NOT_NOW:
                return False
            self.loop.call_soon(self._report, exc)
        return True

    def _report(self, exc: OSError) -> None:
        if not self._lost:
            self._protocol.error_received(exc)

    def _enqueue(self, data: bytes, addr: Any) -> None:
        if self._queued + len(data) > MOST_QUEUED:
            self.dropped += 1
            if self.loop.observer is not None:
                self.loop.tell("dropped", who=self.name, size=len(data))
            return
        self._queue.append((data, addr))
        self._queued += len(data)
        if self._writer is None:
            self._writer = self.loop.add_writer(self.sock, self._on_writable)

    def _on_writable(self) -> None:
        while self._queue and self._offer(*self._queue[0]):
            self._queued -= len(self._queue.popleft()[0])
        if not self._queue:
            self._stop_writing()
            if self._closing:
                self.fail(None)

    def _stop_writing(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.cancel()

    def is_closing(self) -> bool:
        """True from the first close() or abort() on."""
        return self._closing

    def close(self) -> None:
        """Receive no more, send what is queued, then connection_lost(None), once.  Twice is once."""
        self._closing = True
        if self._reader is not None:
            self._reader.cancel()
        if not self._queue:
            self.fail(None)

    def fail(self, exc: Optional[BaseException]) -> None:
        """End at once: the queue is lost, connection_lost(exc) follows, once."""
        self._closing = True
        if not self._lost:
            self._lost = True
            self._stop_writing()
            self._queue.clear()
            self.loop.call_soon(self._end, exc)

    def _end(self, exc: Optional[BaseException]) -> None:
        if self._reader is not None:
            self._reader.cancel()
        protocol, self._protocol = self._protocol, None
        try:
            protocol.connection_lost(exc)
        finally:
            self.sock.close()
            self.loop.forget(self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """'sockname' or 'socket'."""
        return {"socket": self.sock, "sockname": self.sock.getsockname()}.get(name, default)
