"""The bulk receiver: a sink that counts and digests what arrives, as slowly as you like (--slow), and answers both."""
from __future__ import annotations

import socket
import sys
from argparse import ArgumentParser, Namespace
from functools import partial

from protocols.base import Transport
from protocols.bulk import BulkReceiver
from reactor import Reactor

from .commandline import Factory, Server, positive, say

# Below half of loopback's 64 KiB segments the two kernels get stuck for seconds: no window, no segment.
RCVBUF = 32 * 1024
WIDTH = 40


def on_terminal() -> bool:
    """True where a line can be drawn over, false for a pipe or a file."""
    return sys.stdout is not None and sys.stdout.isatty()


def progress(done: int, total: int) -> None:
    """Draw a bar over the one that stands there."""
    full = WIDTH * done // total
    try:
        print(f"\r[{'#' * full}{'.' * (WIDTH - full)}] {done:,} of {total:,} bytes", end="", flush=True)
    except OSError:
        pass  # the terminal is gone; say() takes care of the rest


class Receiver(BulkReceiver):
    """A BulkReceiver with a small receive buffer, so that the sender soon notices how slow it is."""

    def connection_made(self, transport: Transport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RCVBUF)
        say("bulk_receiver: a sender is here")
        super().connection_made(transport)


def show(receiver: BulkReceiver) -> None:
    """The count, on a terminal; its size in all nobody knows."""
    if on_terminal():
        try:
            print(f"\r{receiver.received:,} bytes", end="", flush=True)
        except OSError:
            pass  # the terminal is gone


def end(receiver: BulkReceiver) -> None:
    """The result."""
    say("\r" * on_terminal() + "bulk_receiver: "
        + (receiver.verdict or f"the sender went away after {receiver.received} bytes"))


def arguments(parser: ArgumentParser) -> None:
    """How fast to read."""
    parser.add_argument("--slow", type=positive, metavar="RATE", help="read at most RATE bytes a second")


def make(reactor: Reactor, options: Namespace) -> Factory:
    """A receiver that shows what it does."""
    return partial(Receiver, call_later=reactor.call_later, rate=options.slow, on_progress=show, on_end=end)


SERVER = Server("bulk_receiver", 1234, "python3 -m demos.bulk_sender {host} {port}", make, arguments)

if __name__ == "__main__":
    SERVER.main()
