"""select() for reading: sleep until somebody has sent something.

New        select.select(): the kernel answers who is readable, and until
           somebody is, this program sleeps and costs nothing.
Breaks     python3 -m demos.lessons 3
           A slow reader: send() takes what fits, or says "not now", and the
           rest of the answer is lost.  With --blocking nothing is lost, but
           everybody waits for the slow one.
Repaired   in step 4, where what does not fit waits in a queue.
"""
from __future__ import annotations

import argparse
import select
import socket
from contextlib import suppress
from typing import List, Optional, Sequence


def capitals(data: bytes) -> bytes:
    """The answer to what was received."""
    return data.decode().upper().encode()


def answer(client: socket.socket) -> bool:
    """Answer what a client sent; False once it stopped sending."""
    try:
        data = client.recv(65536)
        if client.getblocking():
            client.sendall(capitals(data))
        else:
            client.send(capitals(data))
    except BlockingIOError:
        return True
    return bool(data)


def serve(listener: socket.socket, blocking: bool) -> None:
    """Serve all clients in one thread, which sleeps while none sends."""
    listener.setblocking(False)
    clients: List[socket.socket] = []
    while True:
        readable, _, _ = select.select([listener, *clients], [], [])
        if listener in readable:
            readable.remove(listener)
            client, _ = listener.accept()
            client.setblocking(blocking)
            clients.append(client)
        for client in readable:
            if not answer(client):
                clients.remove(client)
                client.close()


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Listen, say so, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="step_3", description=serve.__doc__)
    parser.add_argument("--port", type=int, default=12000, help="0: any")
    parser.add_argument("--blocking", action="store_true",
                        help="wait in sendall(), lose nothing")
    options = parser.parse_args(argv)
    try:
        listener = socket.create_server(("127.0.0.1", options.port))
    except (OSError, OverflowError) as exc:
        parser.error(f"port {options.port}: {exc}; try --port 0")
    with suppress(KeyboardInterrupt), listener:  # Ctrl-C is how it ends
        print("step_3 listening on %s:%d" % listener.getsockname(), flush=True)
        serve(listener, options.blocking)


if __name__ == "__main__":
    main()
