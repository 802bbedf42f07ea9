"""A connection that is read slowly: so many bytes a second and no more, whatever its protocol does.

It is done from outside, with what every program has: pause_reading() after a portion, resume_reading() from a timer
of the observed loop.  So the words say what it is.  What the protocol itself wants is noted meanwhile, and holds.
"""
from __future__ import annotations

from typing import Any, Optional

from reactor.timers import Timer
from reactor.transport import MODEST, StreamTransport

PORTIONS = 10.0  # a second


class Throttle:
    """From begin() to end() at most `rate` bytes a second are read."""

    def __init__(self, transport: StreamTransport, rate: float) -> None:
        self.rate = rate
        self._transport = transport
        self._wanted = transport.is_reading()  # by its protocol
        self._timer: Optional[Timer] = None
        self._become(_slow(self))

    @property
    def portion(self) -> int:
        """Bytes that one recv may ask for."""
        return max(1, min(int(self.rate / PORTIONS), MODEST))

    def took(self, size: int) -> None:
        """So many bytes were read: wait until they are paid for."""
        StreamTransport.pause_reading(self._transport)
        self._timer = self._transport.loop.call_later(size / self.rate, self._go_on)

    def wants(self, reading: bool) -> None:
        """The protocol pauses or resumes its reading."""
        self._wanted = reading
        if reading and self._timer is None:
            StreamTransport.resume_reading(self._transport)
        elif not reading:
            StreamTransport.pause_reading(self._transport)

    def is_wanted(self) -> bool:
        """True while the protocol wants to read."""
        return self._wanted

    @property
    def is_over(self) -> bool:
        """True once the connection is closed, or nearly."""
        return self._transport.is_closing()

    def end(self) -> None:
        """Read as fast as the protocol likes.  Twice is once."""
        if type(self._transport) is not StreamTransport:
            self._become(StreamTransport)
            if self._timer is not None:
                self._timer.cancel()
                self._go_on()

    def _become(self, kind: Any) -> None:
        self._transport.__class__ = kind
        if self._transport._reader is not None:  # it calls the method of the class before
            self._transport._unwatch()
            self._transport._watch()

    def _go_on(self) -> None:
        self._timer = None
        if self._wanted and not self._transport.is_closing():
            StreamTransport.resume_reading(self._transport)


def _slow(throttle: Throttle) -> Any:
    """The class of a transport in the hands of a throttle."""

    class SlowTransport(StreamTransport):
        """Reads in portions, and tells the throttle what its protocol wants."""

        __slots__ = ()

        def _on_readable(self) -> None:
            self._appetite, before = throttle.portion, self.received
            super()._on_readable()
            if self.received > before and not self._closing:
                throttle.took(self.received - before)

        def pause_reading(self) -> None:
            """As any transport's."""
            throttle.wants(False)

        def resume_reading(self) -> None:
            """As any transport's, once the last portion is paid for."""
            throttle.wants(True)

        def is_reading(self) -> bool:
            """True while data_received may be called."""
            return throttle.is_wanted() and not (self._closing or self._eof_in)

    return SlowTransport
