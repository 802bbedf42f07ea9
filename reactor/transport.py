"""One connected stream socket: the only file that calls recv and send.

Theory of operation

1. There is one way out.  write() hands its bytes to the kernel at once while nothing is
   queued; what the kernel did not take waits in an OutboundQueue and leaves through
   `_on_writable`, which offers its head.  No other place sends.  select is asked
   about writability only while the queue holds something: a socket with room is always
   writable, and a loop that asks in vain, spins.
2. There is one way in: at most one recv for each time that select says readable.  End of
   file stays readable for ever, so after it the socket is not watched any more.
3. Back pressure: a queue above the high-water mark pauses the protocol's writing, one at or
   below the low-water mark resumes it.
4. close() delivers.  A kernel that holds unread input answers close() with a reset, which
   destroys what the peer has not read yet.  So with input unread we half-close, read and
   throw away until the peer is done (at most LINGER seconds), and only then close.

The life of an echo:  begin, (_on_readable, write)*, _on_readable, close, _part, _end.
How it ends is in endpoint.py.
"""
from __future__ import annotations

import socket
import sys
from typing import Any, Callable, Iterable, Optional

from .endpoint import SocketEndpoint
from .errors import NOT_NOW
from .loop import EventLoop, HasFileno
from .outbound import Chunk, Data, FileSlice, OutboundQueue, immutable

# Bytes that one recv asks for: much, from who filled the last one.  Asking always for much costs
# a small message three times its time, since the C library gets such a buffer from the system anew.
MODEST, LARGE = 64 * 1024, 256 * 1024
# Windows copies all that it is offered, even to take little of it.
MOST_OFFERED = 128 * 1024 if sys.platform == "win32" else sys.maxsize
# asyncio's water marks.
HIGH, LOW = 64 * 1024, 16 * 1024
# Seconds a peer may take nothing of what is queued after close(), before it is given up.
PATIENCE = 30.0
# Seconds given to the peer to read our last bytes while it is still sending.
LINGER = 2.0


class StreamTransport(SocketEndpoint):
    """A connected stream and its protocol.  Methods never block and never raise for what the peer does."""

    __slots__ = ("received", "sent", "_on_end", "_queue", "_high", "_low", "_appetite",
                 "_paused", "_choked", "_eof_in", "_eof_out", "_shut")

    def __init__(self, loop: EventLoop, sock: socket.socket, protocol: Any, peer: Any = None,
                 on_end: Optional[Callable[[], object]] = None) -> None:
        super().__init__(loop, sock, protocol, peer)
        self.received = self.sent = 0  # bytes
        self._on_end = on_end
        self._queue: Optional[OutboundQueue] = None  # there only while the kernel owes us room
        self._high, self._low = HIGH, LOW
        self._appetite = MODEST
        self._paused = False  # set by pause_reading()
        self._choked = True  # set while the protocol's writing is paused, and until it knows its transport
        self._eof_in = False  # set when the peer said end of file
        self._eof_out = False  # set by write_eof()
        self._shut = False  # set when the peer was told that we send no more

    def why(self, writing: bool) -> str:
        """The reason why select watches this, for reading or for writing."""
        if writing:
            return f"because {self.get_write_buffer_size():,} bytes are queued"
        return "to throw away what still comes" if self._closing else "connected"

    def begin(self) -> None:
        """Introduce the protocol and start to read; called once, by the loop."""
        self._choked = False
        super().begin()
        if self._queue is not None:  # of what was written before
            self._mind_the_mark()

    # -- reading

    def _watch(self) -> None:
        if not (self._reader or self._closing or self._paused or self._eof_in):
            self._reader = self.loop.add_reader(self.sock, self._on_readable)

    def _on_readable(self) -> None:
        try:
            data = self.sock.recv(self._appetite)
        except OSError as exc:
            if not self._is_fatal("recv", exc):
                self.tell("blocked", call="recv")
            return
        size = len(data)
        self.received += size
        self._appetite = MODEST if size < MODEST else LARGE
        if self.loop.observer is not None:
            self.loop.hand("received" if size else "ended", {"who": self.name, "size": size, "data": data})
        if self._closing:
            self._discard(size)
        elif size:
            self._protocol.data_received(data)
        else:
            self._on_eof()

    def _is_fatal(self, call: str, exc: OSError) -> bool:
        if exc.errno in NOT_NOW:
            return False
        self.tell("error", call=call, errno=exc.errno, why=str(exc))
        self.fail(exc)
        return True

    def _on_eof(self) -> None:
        self._eof_in = True
        self._unwatch()
        stays = False
        try:
            stays = self._protocol.eof_received()
        finally:
            if not stays or self._eof_out:
                self.close()

    def pause_reading(self) -> None:
        """No data_received until resume_reading(); a reset or end of file is not noticed meanwhile either."""
        if not (self._closing or self._paused):
            self._paused = True
            self._unwatch()
            self.tell("reading paused")

    def resume_reading(self) -> None:
        """Undo pause_reading(); data_received comes from a later turn, never from inside this call."""
        if self._paused:
            self._paused = False
            self._watch()
            self.tell("reading resumed")

    def is_reading(self) -> bool:
        """True while data_received may be called."""
        return not (self._paused or self._closing or self._eof_in)

    # -- writing

    # TypeError for anything but bytes; RuntimeError after write_eof().  After close() it is too late:
    # the bytes are counted in `dropped`.
    def write(self, data: Data) -> None:
        """Send in order, at once as far as the kernel takes it, else when it does.  Mutable data is copied."""
        if type(data) is not bytes:
            data = immutable(data)
        size = len(data)
        if self._eof_out or self._closing:
            self._refuse(size)
        elif self._queue is not None or size > MOST_OFFERED:
            if size:
                self._enqueue(data)
        elif size:
            # As _offer(), without the call: that is a twentieth of all an echo costs.
            try:
                taken = self.sock.send(data)
            except OSError as exc:
                if self._is_fatal("send", exc):
                    return
                taken = 0
            self.sent += taken
            if self.loop.observer is not None:
                self._tell_sent(data, taken)
            if taken < size:
                self._enqueue(memoryview(data)[taken:] if taken else data)

    def writelines(self, list_of_data: Iterable[Data]) -> None:
        """As write() of all of them joined."""
        self.write(b"".join([immutable(data) for data in list_of_data]))

    def write_file(self, file: HasFileno, offset: int, count: int) -> None:
        """Send `count` bytes of an open file, which may be closed at once; the connection ends if it has fewer."""
        if self._eof_out or self._closing:
            self._refuse(count)
        elif count:
            self._enqueue(FileSlice(file.fileno(), offset, count))

    def _refuse(self, size: int) -> None:
        if self._eof_out:
            raise RuntimeError("nothing can be written after write_eof()")
        self.dropped += size
        self.tell("dropped", size=size, why="written after close()")

    def _offer(self, data: Chunk) -> int:
        # Answers how many bytes are no longer ours.
        try:
            taken = data.send(self.sock) if isinstance(data, FileSlice) else self.sock.send(data[:MOST_OFFERED])
        except OSError as exc:
            if self._is_fatal("send", exc):
                return 0
            taken = 0
        self.sent += taken
        if self.loop.observer is not None:
            self._tell_sent(data, taken)
        return taken

    def _tell_sent(self, data: Chunk, taken: int) -> None:
        left = len(data) - taken
        kind = "blocked" if not taken else "partly sent" if left else "sent"
        self.loop.hand(kind, {"who": self.name, "call": "send", "offered": len(data), "taken": taken, "left": left,
                              "data": data})

    def _enqueue(self, data: Chunk) -> None:
        if self._queue is None:
            self._watch_writing()  # first, since it refuses a wrong thread
            self._queue = OutboundQueue()
        self._queue.append(data)
        self.loop.largest = max(self.loop.largest, self._queue.size)
        self.tell("queued", size=len(data), depth=self._queue.size)
        self._mind_the_mark()

    def _mind_the_mark(self) -> None:
        depth = self.get_write_buffer_size()
        if depth > self._high and not self._choked:
            self._choked = True
            self.tell("writing paused", depth=depth)
            self.loop.call_now(self._pause_writing)

    def _pause_writing(self) -> None:
        # A method of ours, so that what the protocol raises is blamed on this connection.
        self._protocol.pause_writing()

    def _on_writable(self) -> None:
        queue = self._queue
        assert queue is not None
        taken = self._offer(queue.head())
        if self._lost:
            return
        queue.took(taken)
        # What resume_writing() asks for by itself, with the queue empty, is done there.
        closing, eof_out = self._closing, self._eof_out
        if not queue.size:
            self._queue = None
            self._unwatch_writing()
        if self._choked and queue.size <= self._low:
            self._choked = False
            self.tell("writing resumed", depth=queue.size)
            self._protocol.resume_writing()  # may fill the queue again, or end the connection
        if self._queue is None and not self._lost:
            if eof_out:
                self._shutdown()
            if closing:
                self._part()

    def set_write_buffer_limits(self, high: Optional[int] = None, low: Optional[int] = None) -> None:
        """Above `high` queued bytes pause_writing() is called, at `low` (a quarter) or below resume_writing()."""
        if high is None:
            high = HIGH if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high}) must be at least low ({low}), and low at least 0")
        self._high, self._low = high, low
        self._mind_the_mark()

    def get_write_buffer_size(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return 0 if self._queue is None else self._queue.size

    # -- closing

    def can_write_eof(self) -> bool:
        """True: every stream here can be half-closed."""
        return True

    def write_eof(self) -> None:
        """Half-close: the peer reads end of file after what is queued.  We can still read."""
        if not (self._closing or self._eof_out):
            self._eof_out = True
            if self._queue is None:
                self._shutdown()
            else:
                self.tell("half-closing", depth=self._queue.size)

    def _shutdown(self) -> None:
        if self._shut:
            return
        self._shut = True
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the connection is gone, which the reading side reports
        self.tell("half-closed")
        if self._eof_in:
            self.close()

    def close(self) -> None:
        """Read no more, deliver what is queued, then connection_lost(None), once.  Twice is once."""
        if self._closing:
            return
        if self._queue is None:  # first, since both refuse a wrong thread
            self.loop.call_soon(self._part)
        else:
            self._set_timer(PATIENCE, self._give_up, self._queue.size)
        self._closing = True
        if self.loop.observer is not None:
            self.tell("closing", depth=self.get_write_buffer_size())
        self._unwatch()

    def _give_up(self, before: int) -> None:
        left = self.get_write_buffer_size()
        if left < before:
            self._set_timer(PATIENCE, self._give_up, left)
        else:
            self.fail(TimeoutError(f"the peer took nothing for {PATIENCE:.0f} seconds after close()"))

    def _part(self) -> None:
        # All is in the kernel's hands; leave in the way that lets it deliver.
        if not (self._lost or self._eof_in):
            self._on_readable()
        if not self._lost and self._reader is None:
            self._let_go()
            self._end(None)

    def _discard(self, size: int) -> None:
        if not size:
            self._eof_in = True
            if self._reader is not None:
                self._unwatch()
                self._part()
        elif self._reader is None:
            self._shutdown()
            self._reader = self.loop.add_reader(self.sock, self._on_readable)
            self._set_timer(LINGER, self.abort)

    def _let_go(self) -> None:
        super()._let_go()
        if self._queue is not None:
            self._queue.close()
            self._queue = None

    def _end(self, exc: Optional[BaseException]) -> None:
        try:
            super()._end(exc)
        finally:
            self.loop.received += self.received
            self.loop.sent += self.sent
            if self._on_end is not None:
                self._on_end()
