"""Protocols without sockets: lines are framed, and the tests need no port.

New        A LineBuffer puts the borders back that a stream does not keep, so a
           letter can arrive in as many pieces as it likes.  The conversation
           meets no port: its tests run over a socketpair, turn by turn.
Breaks     python3 -m demos.lessons 7
           Nothing breaks, but one story is told by four methods, and what the
           client is asked next has to be remembered between them.
Repaired   in step 8, where the story is one function that awaits.
"""
from __future__ import annotations

import argparse
import unittest
from contextlib import suppress
from typing import Optional, Sequence

from protocols.base import Protocol, Transport
from protocols.idle import IdleLimit
from protocols.lines import LineBuffer
from reactor import Reactor
from reactor.testing import pair, run_turns


def capitals(line: bytes) -> bytes:
    """The answer to a line; what is no UTF-8 in it stays as it is."""
    text = line.decode("utf-8", "surrogateescape").upper()
    return text.encode("utf-8", "surrogateescape") + b"\r\n"


class Capitals(Protocol):
    """The conversation with one client."""

    def connection_made(self, transport: Transport) -> None:
        self.transport = transport
        self.lines = LineBuffer()

    def data_received(self, data: bytes) -> None:
        self.lines.feed(data)
        self.transport.writelines(capitals(line) for line in self.lines)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()


def serve(reactor: Reactor, port: int, idle: float) -> int:
    """Serve all clients from now on; the port."""
    def converse() -> IdleLimit:
        return IdleLimit(Capitals(), idle, call_later=reactor.call_later,
                         time=reactor.time)
    return reactor.listen(converse, port=port).port


class TestCapitals(unittest.TestCase):
    """No port and no sleep: python3 -m unittest demos.lessons.step_7."""

    def answer(self, *pieces: bytes) -> bytes:
        """What a client gets that sends these pieces, each in its turn."""
        ours, peer = pair()
        with Reactor() as reactor, peer:
            reactor.adopt(Capitals, ours)
            for piece in pieces:
                peer.sendall(piece)
                run_turns(reactor)
            peer.setblocking(False)
            try:
                return peer.recv(65536)
            except BlockingIOError:
                return b""

    def test_a_line_is_answered_in_capitals(self) -> None:
        self.assertEqual(b"HELLO\r\n", self.answer(b"hello\r\n"))

    def test_half_a_line_is_not_answered(self) -> None:
        self.assertEqual(b"", self.answer(b"hel"))

    def test_a_letter_may_be_cut_in_two(self) -> None:
        self.assertEqual("É\r\n".encode(), self.answer(b"\xc3", b"\xa9\n"))


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Listen, say so, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="step_7", description=serve.__doc__)
    parser.add_argument("--port", type=int, default=12000, help="0: any")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds")
    options = parser.parse_args(argv)
    with suppress(KeyboardInterrupt), Reactor() as reactor:  # that is Ctrl-C
        try:
            port = serve(reactor, options.port, options.idle)
        except (OSError, OverflowError) as exc:
            parser.error(f"port {options.port}: {exc}; try --port 0")
        print(f"step_7 listening on 127.0.0.1:{port}", flush=True)
        reactor.run()


if __name__ == "__main__":
    main()
