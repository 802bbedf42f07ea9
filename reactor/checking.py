"""Checking a protocol without any socket: a transport that records, and tells misuse at once.

    transport = RecordingTransport(Echo())
    transport.receive(b"hello")
    assert transport.sent == b"hello"

To be imported from reactor.testing.
"""
from __future__ import annotations

from typing import Any, Callable, Iterable, List, NamedTuple, Optional, Tuple, Union

Data = Union[bytes, bytearray, memoryview]


class RecordingTransport:
    """A transport that keeps what its protocol writes, and raises AssertionError where the protocol misuses it.

    Misuse is: to write what is not bytes; to write after close(), abort(), write_eof() or connection_lost; to write on
    while writing is paused, once the queue is twice above the mark (only with `high`, and after drain() as before).

    receive(), end(), drain() and lose() are for the test: they play the peer, and call the protocol back in an order
    in which a real loop would.  To call them out of order is an AssertionError too.  With `high` the queue
    holds what is written until drain(), and the protocol is paused above it; without, the kernel takes everything.
    """

    def __init__(self, protocol: Any, *, high: Optional[int] = None, peername: Any = ("192.0.2.1", 4321)) -> None:
        self.protocol = protocol
        self.sent = b""
        self.closed = ""  # or "close", "abort"
        self.half_closed = False  # by write_eof()
        self._high = high
        self._queued = 0
        self._choked = False
        self._reading = True
        self._held: List[bytes] = []  # received while reading was paused
        self._peer_ended = False
        self._lost = False
        self._extra = {"peername": peername}
        protocol.connection_made(self)

    # -- what a protocol calls

    def write(self, data: Data) -> None:
        """Recorded in `sent`."""
        assert isinstance(data, (bytes, bytearray, memoryview)), \
            f"write() of a {type(data).__name__}: a transport takes bytes, did you mean data.encode()?"
        assert not self.half_closed, f"write({bytes(data)!r}) after write_eof()"
        assert not self.closed, f"write({bytes(data)!r}) after {self.closed}()"
        assert not self._lost, f"write({bytes(data)!r}) after connection_lost"
        self.sent += data
        if self._high is None:
            return
        self._queued += len(data)
        assert self._queued <= 2 * self._high or not self._choked, \
            f"{self._queued} bytes are queued: writing was paused, and the protocol writes on"
        if self._queued > self._high and not self._choked:
            self._choked = True
            self.protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[Data]) -> None:
        """As write() of all of them joined."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """Noted in `half_closed`."""
        assert not self._lost, "write_eof() after connection_lost"
        self.half_closed = True

    def can_write_eof(self) -> bool:
        """True."""
        return True

    def close(self) -> None:
        """Noted in `closed`; the test decides with lose() when connection_lost comes."""
        self.closed = self.closed or "close"

    def abort(self) -> None:
        """Noted in `closed`."""
        self.closed = "abort"

    def is_closing(self) -> bool:
        """True from the first close(), abort() or lose() on."""
        return bool(self.closed) or self._lost

    def pause_reading(self) -> None:
        """What the test lets it receive is held back."""
        self._reading = False

    def resume_reading(self) -> None:
        """What was held back comes with the next receive() or end(), never from inside this call."""
        self._reading = True

    def is_reading(self) -> bool:
        """True while data_received may be called."""
        return self._reading and not (self.is_closing() or self._peer_ended)

    def get_write_buffer_size(self) -> int:
        """Bytes since the last drain(), with `high`; else 0."""
        return self._queued

    def set_write_buffer_limits(self, high: Optional[int] = None, low: Optional[int] = None) -> None:
        """Nothing: the marks are the test's."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """'peername' is known."""
        return self._extra.get(name, default)

    # -- what a test calls

    def receive(self, data: bytes = b"") -> None:
        """The peer sends `data`; nothing more reaches a protocol that has closed."""
        assert not self._lost, "receive() after lose()"
        assert not (self._peer_ended and data), "receive() after end()"
        if data:
            self._held.append(data)
        while self._held and self.is_reading():
            self.protocol.data_received(self._held.pop(0))

    def end(self) -> None:
        """The peer half-closes: eof_received, and close() unless the protocol answers that it goes on."""
        assert not self._peer_ended, "end() twice"
        self.receive()
        assert not self._held or self.closed, "end() while reading is paused: the protocol cannot know of it yet"
        self._peer_ended = True
        if not self.is_closing() and not self.protocol.eof_received():
            self.close()

    def drain(self) -> None:
        """The peer takes all that is queued."""
        self._queued = 0
        if self._choked:
            self._choked = False
            self.protocol.resume_writing()

    def lose(self, exc: Optional[BaseException] = None) -> None:
        """The connection is over: connection_lost(exc), once."""
        assert not self._lost, "lose() twice"
        self._lost = True
        self.protocol.connection_lost(exc)


class Outcome(NamedTuple):
    """What a protocol did with its input."""

    sent: bytes
    closed: str
    half_closed: bool


def split_everywhere(make: Callable[[], Any], data: bytes, *, end: bool = True) -> Outcome:
    """Feed `data` to protocols of `make()`, whole, byte by byte and cut in two at every position; what all of them did.

    With `end` the peer half-closes afterwards.  AssertionError, which names the cut, where one of them differs.
    """
    whole = _fed(make(), [data], end)
    for name, pieces in _splits(data):
        outcome = _fed(make(), pieces, end)
        assert outcome == whole, f"{name}: {outcome}, but with {data!r} in one piece {whole}"
    return whole


def _splits(data: bytes) -> Iterable[Tuple[str, List[bytes]]]:
    yield "byte by byte", [data[i:i + 1] for i in range(len(data))]
    for i in range(1, len(data)):
        yield f"cut into {data[:i]!r} and {data[i:]!r}", [data[:i], data[i:]]


def _fed(protocol: Any, pieces: List[bytes], end: bool) -> Outcome:
    transport = RecordingTransport(protocol)
    for piece in pieces:
        transport.receive(piece)
    if end:
        transport.end()
    transport.lose()
    return Outcome(transport.sent, transport.closed, transport.half_closed)
