"""Our own telnet: what you type goes to the server, what it says is printed.

    python3 -m demos.talk HOST PORT
    printf 'hello\n' | python3 -m demos.talk localhost 10000

At end of input (Ctrl-D) it half-closes and reads on until the server closes too, or says nothing for 5
seconds; with --half-close it waits however long that takes, with --reset it leaves with a reset.
"""
from __future__ import annotations

import argparse
import os
import socket
import struct
from typing import Callable, Optional

from protocols.base import Cancellable, Protocol, Transport
from reactor import Reactor

from .commandline import positive
from .console import Console, arguments, connect, run

PATIENCE = 5.0
GAP = 0.01  # seconds between chopped pieces: so short, and yet the other end has read the last one
CORK = getattr(socket, "TCP_CORK", socket.TCP_NODELAY)  # where there is none: as it is anyway
SMALL = 4096  # the least receive buffer of a slow reader


class Talk(Protocol):
    """Standard input out, standard output in.  Input is read only when the last of it has been written."""

    def __init__(self, console: Console, options: argparse.Namespace) -> None:
        self._console = console
        self._options = options
        self._rest = b""  # typed, and not written yet
        self._choked = False  # set while the transport has enough to write
        self._ended = False  # set at end of input
        self._timer: Optional[Cancellable] = None

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport
        sock = transport.get_extra_info("socket")
        if self._options.slow:
            # Room for a tenth of a second: more would hide for long that it is slow, less makes TCP slower still.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, max(SMALL, int(self._options.slow / 10)))
        if self._options.half_close and not (self._options.chop or self._options.unix or self._console.typing):
            # What fills no segment waits a moment for the end, so that who hears one hears the other.
            sock.setsockopt(socket.IPPROTO_TCP, CORK, 1)
        self._console.read(self._typed)

    # -- out

    def _typed(self, data: bytes) -> None:
        if data:
            self._rest = data
            self._send()
        elif self._options.reset:
            self._wait(GAP, self._reset)
        elif not self._transport.is_closing():
            self._ended = True
            self._transport.write_eof()
            self._wait_for_the_end()

    def _send(self) -> None:
        if self._choked or not self._rest:
            return
        size = self._options.chop or len(self._rest)
        piece, self._rest = self._rest[:size], self._rest[size:]
        self._transport.write(piece)
        if self._choked:
            return  # resume_writing() goes on
        if self._rest:
            self._console.reactor.call_later(GAP, self._send)
        else:
            self._read_on()

    def _read_on(self) -> None:
        if self._options.chop:
            self._console.reactor.call_later(GAP, self._console.read, self._typed)
        else:
            self._console.read(self._typed)

    def pause_writing(self) -> None:
        self._choked = True

    def resume_writing(self) -> None:
        self._choked = False
        if self._rest:
            self._send()
        elif not self._ended:
            self._read_on()

    # -- in

    def data_received(self, data: bytes) -> None:
        self._console.write(data)
        if self._options.slow:
            self._transport.pause_reading()
            self._console.reactor.call_later(len(data) / self._options.slow, self._resume)
        elif self._ended:
            self._wait_for_the_end()

    def _resume(self) -> None:
        self._transport.resume_reading()
        if self._ended:
            self._wait_for_the_end()

    # -- the end

    def _wait_for_the_end(self) -> None:
        if not self._options.half_close:
            self._wait(PATIENCE, self._give_up)

    def _give_up(self) -> None:
        if self._transport.get_write_buffer_size():
            self._wait_for_the_end()
        else:
            self._console.finish(0)

    def _reset(self) -> None:
        if self._transport.get_write_buffer_size():
            return self._wait(GAP, self._reset)
        sock = self._transport.get_extra_info("socket")
        # Linger for no time at all: close() discards and sends RST instead of FIN.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if os.name == "nt" else "ii", 1, 0))
        self._transport.abort()

    def _wait(self, seconds: float, callback: Callable[[], object]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._console.reactor.call_later(seconds, callback)

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if exc is not None:
            self._console.finish(1, f"the connection is lost: {getattr(exc, 'strerror', None) or exc}")
        else:
            self._console.finish(0, "the server closed the connection" if self._console.typing else "")


def start(reactor: Reactor) -> Console:
    """Connect, and begin to talk."""
    parser = arguments("Talk to a server: our own telnet.", None)
    parser.add_argument("--chop", type=int, metavar="N", help="send N bytes at a time, each in a segment of its own")
    parser.add_argument("--slow", type=positive, metavar="RATE", help="read at most RATE bytes a second")
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--half-close", action="store_true", help="at end of input, wait for the server without limit")
    ends.add_argument("--reset", action="store_true", help="at end of input, reset the connection")
    options = parser.parse_args()
    if options.port is None and options.unix is None:
        parser.error("which server? HOST and PORT are needed, or --unix PATH")
    if options.chop is not None and options.chop < 1:
        parser.error("--chop needs a number of bytes, 1 or more")
    console = Console(reactor, options)
    connect(console, options, lambda: Talk(console, options))
    return console


if __name__ == "__main__":
    run(start)
