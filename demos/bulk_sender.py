"""The bulk sender: a megabyte of lines through a small send buffer, so that partial sends and EAGAIN show.

Loopback takes 4 MB in one send when nobody limits it, and then there is nothing to see.
"""
from __future__ import annotations

import socket
from collections import Counter
from typing import Any, Counter as Counts

from protocols.bulk import TOTAL, BulkSender
from reactor import Reactor

from .bulk_receiver import SERVER, on_terminal, progress
from .commandline import say
from .console import Console, arguments, connect, run
from .glassbox.observe import together

SNDBUF = 16 * 1024


class Persistent:
    """A socket that sends, as the course text's program does, until the kernel says "not now".

    The reactor asks select() first and so hardly ever hears EAGAIN; here it shall be seen, and counted.
    """

    def __init__(self, transport: Any) -> None:
        self._sock = transport.sock
        self.refused = False  # the rest of what the last send took a part of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def send(self, data: Any) -> int:
        """As the socket's, and again while the kernel takes something."""
        taken = int(self._sock.send(data))
        while taken < len(data):
            try:
                taken += self._sock.send(memoryview(data)[taken:])
            except BlockingIOError:
                self.refused = True
                break
        return taken


class Sender(BulkSender):
    """A BulkSender on a persistent socket with a small buffer, which shows how far it is."""

    def __init__(self, console: Console, total: int, sndbuf: int) -> None:
        super().__init__(call_later=console.reactor.call_later, total=total,
                         on_progress=self._show, on_end=self._finish)
        self._console = console
        self._sndbuf = sndbuf
        self._counts: Counts[str] = Counter()
        self._shown = total

    def connection_made(self, transport: Any) -> None:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._sndbuf)
        size = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        self._sock = transport.sock = Persistent(transport)
        self._tell = transport.tell
        reactor = self._console.reactor
        reactor.observer = together([*filter(None, [reactor.observer]), self._count])
        say(f"Send buffer: {size} bytes ({self._sndbuf} asked for), small on purpose: loopback would swallow "
            "megabytes in one send, and nothing would ever block")
        say(f"Bytes to send: {self.total}")
        say("Sending data")
        super().connection_made(transport)

    def _count(self, event: Any) -> None:
        if event.facts.get("call", "send") == "send":  # recv meets EAGAIN too, which is not our subject
            self._counts[event.kind] += 1
        refused, self._sock.refused = self._sock.refused, False
        if refused:  # after the part that was taken, as it happened
            self._tell("blocked", call="send")

    def _show(self, sender: BulkSender) -> None:
        left = self.remaining
        if on_terminal():
            progress(self.total - left, self.total)
        elif self._counts["blocked"] and left <= self._shown - self.total // 10:
            self._shown = left
            say(f"Blocking with {left} remaining")

    def _finish(self, sender: BulkSender) -> None:
        counts = self._counts
        if on_terminal():
            say("")
        sent = self.written - self._transport.get_write_buffer_size()
        say(f"{sent} bytes sent: {counts['partly sent']} partial sends, {counts['blocked']} times EAGAIN, "
            f"{self.pauses} pauses")
        if self.verified:
            say(f"The receiver has {self.verdict}: correct")
            self._console.finish(0)
        else:
            why = self.verdict or self.error or "it closed the connection"
            self._console.finish(1, f"not confirmed by the receiver: {why}")


def start(reactor: Reactor) -> Console:
    """Connect, and send."""
    parser = arguments("Send a lot, and show what the kernel takes.", SERVER.port)
    parser.add_argument("--sndbuf", type=int, default=SNDBUF, metavar="N", help="send buffer (%(default)s)")
    parser.add_argument("--bytes", type=int, default=TOTAL, metavar="N", help="bytes to send (%(default)s)")
    options = parser.parse_args()
    if not 0 < options.sndbuf < 2**30 or options.bytes < 1:
        parser.error("--sndbuf and --bytes need a number above 0, and --sndbuf one below 1073741824")
    console = Console(reactor, options)
    connect(console, options, lambda: Sender(console, options.bytes, options.sndbuf))
    return console


if __name__ == "__main__":
    run(start)
