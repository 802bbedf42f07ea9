"""A thread for each client; with --fork a process for each.

New        accept goes on at once; somebody else waits for that client.
Breaks     python3 -m demos.lessons 1
           A thread for everybody who only sits there, and Ctrl-C that is not
           obeyed until the last of them has left.
Repaired   in step 2, where one thread asks everybody and waits for nobody.
"""
from __future__ import annotations

import argparse
import os
import signal
import socket
import threading
from contextlib import suppress
from typing import Callable, Optional, Sequence


def capitals(data: bytes) -> bytes:
    """The answer to what was received."""
    return data.decode().upper().encode()


def talk(client: socket.socket) -> None:
    """Answer one client until it stops sending."""
    with client:
        while data := client.recv(65536):
            client.sendall(capitals(data))


def in_a_thread(client: socket.socket) -> None:
    """Talk to a client without waiting for the end of it."""
    threading.Thread(target=talk, args=(client,)).start()


def in_a_process(client: socket.socket) -> None:
    """The same, in a copy of this program that ends with the client."""
    with client:
        if os.fork() == 0:
            try:
                talk(client)
            finally:
                os._exit(0)  # the rest of the program is the parent's business


def serve(
    listener: socket.socket, start: Callable[[socket.socket], None]
) -> None:
    """Serve all clients at once, each in a thread (or process) of its own."""
    while True:
        client, _ = listener.accept()
        start(client)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Listen, say so, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="step_1", description=serve.__doc__)
    parser.add_argument("--port", type=int, default=12000, help="0: any")
    if hasattr(os, "fork"):
        parser.add_argument("--fork", action="store_true", help="processes")
    options = parser.parse_args(argv)
    start = in_a_thread
    if getattr(options, "fork", False):
        start = in_a_process
        # Else each child that ended stays as a zombie.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        listener = socket.create_server(("127.0.0.1", options.port))
    except (OSError, OverflowError) as exc:
        parser.error(f"port {options.port}: {exc}; try --port 0")
    with suppress(KeyboardInterrupt), listener:  # Ctrl-C is how it ends
        print("step_1 listening on %s:%d" % listener.getsockname(), flush=True)
        serve(listener, start)


if __name__ == "__main__":
    main()
