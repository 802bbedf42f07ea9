"""A Connection object: states, close when done, water marks, a timer.

New        All that belongs to one client is in one place.  It is open, closing
           (no more input, the queue still leaves) or closed.  With HIGH bytes
           queued it is not read, at LOW it is again; --idle ends the silent.
Breaks     python3 -m demos.lessons 5
           capitals() raises for a letter that comes in two halves, inside the
           loop: the mistake of one conversation is the death of all.
Repaired   in step 6, where a loop calls protocols and outlives their mistakes.
"""
from __future__ import annotations

import argparse
import select
import socket
import time
from contextlib import suppress
from typing import Any, Callable, List, Optional, Sequence

HIGH, LOW = 65536, 16384


def capitals(data: bytes) -> bytes:
    """The answer to what was received."""
    return data.decode().upper().encode()


class Connection:
    """One client: open (or paused), then closing, then closed."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.queue, self.state = sock, bytearray(), "open"
        self.last = time.monotonic()
        sock.setblocking(False)
        self.fileno = sock.fileno  # so select takes this for the socket

    def handle(self, event: Callable[[], None]) -> None:
        """Do it; a peer that is gone ends this connection alone."""
        try:
            event()
            self.last = time.monotonic()
        except BlockingIOError:
            pass  # not now after all
        except OSError:
            self.abort()

    def on_readable(self) -> None:
        """Answer what came."""
        data = self.sock.recv(65536)
        self.queue += capitals(data)
        if len(self.queue) > HIGH:
            self.state = "paused"
        if not data:
            self.close()

    def on_writable(self) -> None:
        """Send what the kernel takes."""
        del self.queue[:self.sock.send(self.queue)]
        if self.state == "paused" and len(self.queue) <= LOW:
            self.state = "open"
        if self.state == "closing" and not self.queue:
            self.abort()

    def close(self) -> None:
        """Deliver what is queued, then close."""
        self.state = "closing"
        if not self.queue:
            self.abort()

    def abort(self) -> None:
        """Close at once; twice is once."""
        self.state = "closed"
        self.sock.close()


def serve(listener: socket.socket, idle: float) -> None:
    """Serve all clients in one thread, with a limit to everything."""
    listener.setblocking(False)
    clients: List[Connection] = []
    while True:
        reading: List[Any] = [listener]
        reading += [client for client in clients if client.state == "open"]
        writing = [client for client in clients if client.queue]
        readable, writable, _ = select.select(reading, writing, [], idle / 4)
        for client in readable:
            if client is listener:
                clients.append(Connection(listener.accept()[0]))
            else:
                client.handle(client.on_readable)
        for client in clients:
            if client in writable and client.state != "closed":
                client.handle(client.on_writable)
            if time.monotonic() - client.last > idle:
                client.abort()
        clients = [client for client in clients if client.state != "closed"]


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Listen, say so, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="step_5", description=serve.__doc__)
    parser.add_argument("--port", type=int, default=12000, help="0: any")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds")
    options = parser.parse_args(argv)
    try:
        listener = socket.create_server(("127.0.0.1", options.port))
    except (OSError, OverflowError) as exc:
        parser.error(f"port {options.port}: {exc}; try --port 0")
    with suppress(KeyboardInterrupt), listener:  # Ctrl-C is how it ends
        print("step_5 listening on %s:%d" % listener.getsockname(), flush=True)
        serve(listener, options.idle)


if __name__ == "__main__":
    main()
