"""The reactor: a loop that knows sockets, a protocol that knows their bytes.

New        The reactor has the loop, its transports have queues, states, marks;
           what is left here is the conversation.  A protocol that raises loses
           its own connection, and the loop goes on.
Breaks     python3 -m demos.lessons 6
           A letter that comes in two halves: what one recv brings is no text.
Repaired   in step 7, where a line is collected before it is understood.
"""
from __future__ import annotations

import argparse
from contextlib import suppress
from typing import Optional, Sequence

from protocols.base import Protocol, Transport
from protocols.idle import IdleLimit
from reactor import Reactor


def capitals(data: bytes) -> bytes:
    """The answer to what was received."""
    return data.decode().upper().encode()


class Capitals(Protocol):
    """The conversation with one client."""

    def connection_made(self, transport: Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(capitals(data))

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


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Listen, say so, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="step_6", description=serve.__doc__)
    parser.add_argument("--port", type=int, default=12000, help="0: any")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds")
    options = parser.parse_args(argv)
    with suppress(KeyboardInterrupt), Reactor() as reactor:  # that is Ctrl-C
        try:
            port = serve(reactor, options.port, options.idle)
        except (OSError, OverflowError) as exc:
            parser.error(f"port {options.port}: {exc}; try --port 0")
        print(f"step_6 listening on 127.0.0.1:{port}", flush=True)
        reactor.run()


if __name__ == "__main__":
    main()
