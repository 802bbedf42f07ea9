"""What a protocol is: six callbacks, and the transport that it talks to.

The grammar of the calls, in asyncio's words because the meaning is asyncio's:

    connection_made [data_received]* [eof_received] connection_lost

Nothing in this package knows which event loop runs it: no reactor, no socket,
no clock.  A protocol that needs time is given `call_later` by its factory, a
function that `reactor.Reactor` and `asyncio` loops both have, so that every
class here runs unchanged under either.
"""
from __future__ import annotations

from typing import Any, Callable, Iterable, Optional, Protocol as Structural, Tuple, Union

Address = Any
Bytes = Union[bytes, bytearray, memoryview]


class Cancellable(Structural):
    """What `call_later` returns."""

    def cancel(self) -> None:
        """Never run it.  Twice, or after it ran, does nothing."""


CallLater = Callable[..., Cancellable]


class Transport(Structural):
    """One connected byte stream, as a protocol sees it (the subset of asyncio's that is used here)."""

    def write(self, data: Bytes) -> None:
        """Queue `data`; never blocks.  Ignored once the transport is closing."""

    def writelines(self, list_of_data: Iterable[Bytes]) -> None:
        """Queue each piece in order."""

    def write_eof(self) -> None:
        """Half-close: the peer reads end of file after what is queued."""

    def close(self) -> None:
        """Stop reading, deliver what is queued, then close."""

    def abort(self) -> None:
        """Close at once; what is queued is lost."""

    def is_closing(self) -> bool:
        """True from the first close(), abort() or loss on."""

    def pause_reading(self) -> None:
        """No data_received until resume_reading()."""

    def resume_reading(self) -> None:
        """Undo pause_reading()."""

    def get_write_buffer_size(self) -> int:
        """Bytes queued here that the kernel has not taken."""

    def set_write_buffer_limits(self, high: Optional[int] = None, low: Optional[int] = None) -> None:
        """Above `high` bytes pause_writing is called, at `low` or below resume_writing."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """'peername', 'sockname', 'socket'."""


class DatagramTransport(Structural):
    """One datagram socket, as a protocol sees it."""

    def sendto(self, data: Bytes, addr: Optional[Address] = None) -> None:
        """Queue one datagram; never blocks."""

    def close(self) -> None:
        """Deliver what is queued, then close."""

    def abort(self) -> None:
        """Close at once."""


class Protocol:
    """The callbacks of a stream, each doing nothing.  A subclass overrides what it reacts to."""

    __slots__ = ()

    def connection_made(self, transport: Transport) -> None:
        """Called once, first."""

    def data_received(self, data: bytes) -> None:
        """Some bytes arrived, never none.  Their borders mean nothing."""

    def eof_received(self) -> Optional[bool]:
        """The peer will send no more; called at most once.  A true answer keeps our sending side open."""

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        """Called once, last.  None after an orderly end or our own abort(), else what went wrong."""

    def pause_writing(self) -> None:
        """The queue rose above the high-water mark.  Called from inside write()."""

    def resume_writing(self) -> None:
        """The queue fell to the low-water mark."""


class DatagramProtocol:
    """The callbacks of a datagram socket, each doing nothing."""

    __slots__ = ()

    def connection_made(self, transport: DatagramTransport) -> None:
        """Called once, first."""

    def datagram_received(self, data: bytes, addr: Tuple[Any, ...]) -> None:
        """One whole datagram, perhaps empty, and its sender."""

    def error_received(self, exc: OSError) -> None:
        """A send or receive failed; the socket goes on."""

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        """Called once, last."""
