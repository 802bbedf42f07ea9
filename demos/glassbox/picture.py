"""The picture in demos/README.md: a bulk transfer to a slow reader, beside an echo that does not notice.

    python3 -m demos.glassbox.picture bulk.rec
    python3 -m demos.replay bulk.rec --timeline demos/timeline.svg
"""
from __future__ import annotations

import sys
from typing import Optional

from protocols.base import Protocol, Transport
from protocols.bulk import BulkSender
from protocols.echo import Echo
from reactor import Reactor
from reactor.testing import pair

from .recorder import Recorder

TOTAL = 1_000_000
BUFFER = 64 * 1024  # of the kernel, for each socket: small enough to see it full
REST = 0.004  # seconds between two reads of the slow reader


class SlowReader(Protocol):
    """Reads what one recv gives, rests, and reads on; at the end says what it got, as the sender wants to hear."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.pause_reading()
        self._reactor.call_later(REST, self._transport.resume_reading)

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        self._reactor.call_soon(self._reactor.stop)


class Chat(Protocol):
    """Says one line a few times, each time that it came back."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._left = 9

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport
        self._say()

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._reactor.call_later(2 * REST, self._say)
        else:
            self._transport.close()

    def _say(self) -> None:
        self._left -= 1
        self._transport.write(b"hello\n")


def main(path: str) -> None:
    """Record it all to `path`."""
    with Reactor() as reactor:
        recorder = Recorder(path, reactor.time())
        reactor.observer = recorder
        sender, reader = pair(BUFFER)
        reactor.adopt(lambda: BulkSender(call_later=reactor.call_later, total=TOTAL), sender)
        reactor.adopt(lambda: SlowReader(reactor), reader)
        ours, theirs = pair()
        reactor.adopt(Echo, ours)
        reactor.adopt(lambda: Chat(reactor), theirs)
        reactor.run()
        recorder.close()


if __name__ == "__main__":
    main(sys.argv[1])
