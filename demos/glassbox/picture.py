"""The picture in demos/README.md: a transfer to a slow reader, beside an echo that does not notice.

    python3 -m demos.glassbox.picture bulk.rec
    python3 -m demos.replay bulk.rec --timeline demos/timeline.svg
"""
from __future__ import annotations

import socket
import sys
from typing import Optional

from protocols.base import Protocol, Transport
from protocols.echo import Echo
from reactor import Reactor

from .recorder import Recorder

LINE, PIECES = b"foobar\n", (2000, 2000, 9000) * 5  # lines in each: small ones to be refused, large ones to be cut
BUFFER = 16 * 1024  # of the kernel, for each socket: small enough to see it full
REST = 0.004  # seconds between two reads of the slow reader


def narrow(transport: Transport) -> None:
    """Make the kernel's buffers small."""
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, BUFFER)


class Sender(Protocol):
    """Writes a piece in each turn, none while its writing is paused; then half-closes."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._left = list(PIECES)
        self._paused = False

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport
        narrow(transport)
        self._send()

    def _send(self) -> None:
        if self._paused:
            return
        if self._left:
            self._transport.write(LINE * self._left.pop(0))
            self._reactor.call_soon(self._send)
        else:
            self._transport.write_eof()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._send()


class SlowReader(Protocol):
    """Reads what one recv gives, rests, and reads on."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.pause_reading()
        self._reactor.call_later(REST, self._transport.resume_reading)

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        self._reactor.stop()


class Chat(Protocol):
    """Says one line a few times, each time some while after it came back."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._left = 6

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport
        self._say()

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._reactor.call_later(3 * REST, self._say)
        else:
            self._transport.close()

    def _say(self) -> None:
        self._left -= 1
        self._transport.write(b"hello\n")


def main(path: str) -> None:
    """Record it all to `path`."""
    with Reactor() as reactor:
        reactor.observer = recorder = Recorder(path, reactor.time())
        echo = reactor.listen(Echo)
        sink = reactor.listen(lambda: SlowReader(reactor))
        reactor.connect(lambda: Sender(reactor), port=sink.port)
        reactor.connect(lambda: Chat(reactor), port=echo.port)
        reactor.run()
        recorder.close()


if __name__ == "__main__":
    main(sys.argv[1])
