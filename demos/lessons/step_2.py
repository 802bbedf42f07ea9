"""Non-blocking: ask every socket in turn, again and again.

New        setblocking(False): a call that would have to wait raises
           BlockingIOError instead, which means "not now" and is no error.
Breaks     python3 -m demos.lessons 2
           Nobody waits, so the loop never rests: a processor, for nothing.
Repaired   in step 3, where the kernel says who is worth asking.
"""
from __future__ import annotations

import argparse
import socket
from contextlib import suppress
from typing import List, Optional, Sequence


def capitals(data: bytes) -> bytes:
    """The answer to what was received."""
    return data.decode().upper().encode()


def answer(client: socket.socket) -> bool:
    """Answer what a client sent, if it did; False once it stopped sending."""
    try:
        data = client.recv(65536)
        client.send(capitals(data))
    except BlockingIOError:
        return True
    return bool(data)


def serve(listener: socket.socket) -> None:
    """Serve all clients in one thread, which never sleeps."""
    listener.setblocking(False)
    clients: List[socket.socket] = []
    while True:
        try:
            client, _ = listener.accept()
            client.setblocking(False)
            clients.append(client)
        except BlockingIOError:
            pass  # nobody new
        for client in list(clients):
            if not answer(client):
                clients.remove(client)
                client.close()


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Listen, say so, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="step_2", description=serve.__doc__)
    parser.add_argument("--port", type=int, default=12000, help="0: any")
    options = parser.parse_args(argv)
    try:
        listener = socket.create_server(("127.0.0.1", options.port))
    except (OSError, OverflowError) as exc:
        parser.error(f"port {options.port}: {exc}; try --port 0")
    with suppress(KeyboardInterrupt), listener:  # Ctrl-C is how it ends
        print("step_2 listening on %s:%d" % listener.getsockname(), flush=True)
        serve(listener)


if __name__ == "__main__":
    main()
