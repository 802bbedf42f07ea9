"""select() with queues, mended: four faults of step 4 are gone.

New        [1] What send() did not take stays in the queue.
           [2] A reset ends that client, and nobody else.
           [3] Who stops sending still gets what is queued, and is closed then.
           [4] Who was closed earlier in the turn is looked up before it is used.
           One dictionary now says it all: a client is in it from accept to close.
Breaks     python3 -m demos.lessons 4_mended
           A client that sends and never reads: its queue grows as long as there
           is memory.  A client that says nothing stays for ever.
Repaired   in step 5, with water marks and timers.
"""
from __future__ import annotations

import argparse
import select
import socket
from contextlib import suppress
from typing import Dict, List, Optional, Sequence


def capitals(data: bytes) -> bytes:
    """The answer to what was received."""
    return data.decode().upper().encode()


def receive(sock: socket.socket) -> bytes:
    """What came; nothing at the end of input, and nothing from who is gone."""
    try:
        return sock.recv(65536)
    except OSError:  # [2]
        return b""


def send(sock: socket.socket, queue: bytearray) -> None:
    """Let the kernel take what it can."""
    try:
        del queue[:sock.send(queue)]  # [1]
    except OSError:  # [2]
        queue.clear()


def serve(listener: socket.socket) -> None:
    """Serve all clients in one thread; what cannot leave yet waits in queues."""
    listener.setblocking(False)
    inputs: List[socket.socket] = [listener]
    queues: Dict[socket.socket, bytearray] = {}
    while True:
        outputs = [sock for sock, queue in queues.items() if queue]
        readable, writable, _ = select.select(inputs, outputs, [])
        for sock in readable:
            if sock is listener:
                client, _ = listener.accept()
                client.setblocking(False)
                inputs.append(client)
                queues[client] = bytearray()
            elif data := receive(sock):
                queues[sock] += capitals(data)
            else:
                inputs.remove(sock)
        for sock in writable:
            if sock in queues:  # [4]
                send(sock, queues[sock])
        for sock in [sock for sock, queue in queues.items() if not queue and sock not in inputs]:
            sock.close()  # [3]
            del queues[sock]


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Listen, say so, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="step_4_mended", description=serve.__doc__)
    parser.add_argument("--port", type=int, default=12000, help="%(default)s by default; 0: a free one")
    parser.add_argument("--buffer", type=int, help="bytes that the kernel keeps for each client (it rounds up)")
    options = parser.parse_args(argv)
    try:
        listener = socket.create_server(("127.0.0.1", options.port))
    except (OSError, OverflowError) as exc:
        parser.error(f"port {options.port}: {exc}; try --port 0")
    if options.buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.buffer)  # each accepted socket inherits it
    with suppress(KeyboardInterrupt), listener:  # Ctrl-C is how it ends
        print(f"step_4_mended listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
        serve(listener)


if __name__ == "__main__":
    main()
