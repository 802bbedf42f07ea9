"""Blocking: serve one client at a time.

New        accept, recv and send, each of which waits until it is done.
Breaks     python3 -m demos.lessons 0
           One client that says nothing keeps all the others waiting for ever.
Repaired   in step 1, where each client has a thread of its own.
"""
from __future__ import annotations

import argparse
import socket
from contextlib import suppress
from typing import Optional, Sequence


def capitals(data: bytes) -> bytes:
    """The answer to what was received."""
    return data.decode().upper().encode()


def talk(client: socket.socket) -> None:
    """Answer one client until it stops sending."""
    with client:
        while data := client.recv(65536):
            client.sendall(capitals(data))


def serve(listener: socket.socket) -> None:
    """Serve one client after the other, for ever."""
    while True:
        client, _ = listener.accept()
        talk(client)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Listen, say so, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="step_0", description=serve.__doc__)
    parser.add_argument("--port", type=int, default=12000, help="0: any")
    options = parser.parse_args(argv)
    try:
        listener = socket.create_server(("127.0.0.1", options.port))
    except (OSError, OverflowError) as exc:
        parser.error(f"port {options.port}: {exc}; try --port 0")
    with suppress(KeyboardInterrupt), listener:  # Ctrl-C is how it ends
        print("step_0 listening on %s:%d" % listener.getsockname(), flush=True)
        serve(listener)


if __name__ == "__main__":
    main()
