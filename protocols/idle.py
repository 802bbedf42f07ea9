"""A time limit for connections on which nothing moves."""
from __future__ import annotations

from typing import Callable, Optional

from .base import CallLater, Protocol, Transport

LOOKS = 4  # in each limit: finer sees the queue stand still more exactly and costs more timers


class IdleLimit(Protocol):
    """Stand before `protocol`, pass every callback on, and end a connection on which nothing moves.

    What moves is a byte received, or the size of the write queue.  After `seconds`
    without either the connection is closed; aborted, where the peer left bytes in
    the queue for so long, since they would never be delivered.  Silence is noticed
    on time, a queue that stands still within a quarter more.  A protocol that
    itself pauses reading for `seconds` counts as idle, and so does a peer that
    sends nothing and takes what it is sent too fast for a queue to form.

    Bytes arm no timer: it is remembered when something moved, and one timer looks
    four times in each limit.
    """

    __slots__ = ("_protocol", "_seconds", "_call_later", "_time", "_transport", "_timer", "_moved", "_queued")

    def __init__(self, protocol: Protocol, seconds: float, *, call_later: CallLater,
                 time: Callable[[], float]) -> None:
        self._protocol = protocol
        self._seconds = seconds
        self._call_later = call_later
        self._time = time  # of the same loop as call_later
        self._queued = 0  # the size of the write queue at the last look

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport
        self._moved = self._time()
        self._timer = self._call_later(self._seconds / LOOKS, self._look)
        self._protocol.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._moved = self._time()
        self._protocol.data_received(data)

    def eof_received(self) -> Optional[bool]:
        return self._protocol.eof_received()

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        self._timer.cancel()
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._moved = self._time()
        self._protocol.resume_writing()

    def _look(self) -> None:
        queued = self._transport.get_write_buffer_size()
        now = self._time()
        if queued != self._queued:
            # Grown counts too: it may have shrunk in between.  A queue that only grows
            # reaches the high-water mark, where the protocol stops.
            self._moved = now
        self._queued = queued
        left = self._moved + self._seconds - now
        if left > 0:
            self._timer = self._call_later(min(left, self._seconds / LOOKS), self._look)
        elif queued:
            self._transport.abort()
        else:
            self._transport.close()
