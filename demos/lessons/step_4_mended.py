"""select() with queues, mended: four faults of step 4 are gone.

New        [1] What send() did not take stays in the queue.
           [2] A reset ends that client, and nobody else.
           [3] Who stops sending still gets what is queued, and is closed then.
           [4] Who was closed earlier in the turn is not written to.
           One dictionary says it all: a client is in it from accept to close.
Breaks     python3 -m demos.lessons 4_mended
           A client that sends and never reads: its queue grows as long as
           there is memory.  A client that says nothing stays for ever.
Repaired   in step 5, with water marks and timers.
"""
from __future__ import annotations

import argparse
import select
import socket
from collections import deque
from contextlib import suppress
from typing import Deque, Dict, List, Optional, Sequence


def capitals(data: bytes) -> bytes:
    """The answer to what was received."""
    return data.decode().upper().encode()


def receive(sock: socket.socket) -> Optional[bytes]:
    """What came; b"" at the end, None where nothing came after all."""
    try:
        return sock.recv(65536)
    except BlockingIOError:
        return None
    except OSError:  # [2]
        return b""


def send(sock: socket.socket, queue: Deque[bytes]) -> None:
    """Let the kernel take what it can of the first message."""
    try:
        taken = sock.send(queue[0])
    except BlockingIOError:
        return
    except OSError:  # [2]
        return queue.clear()
    rest = queue.popleft()[taken:]
    if rest:
        queue.appendleft(rest)  # [1]


def serve(listener: socket.socket) -> None:
    """Serve all in one thread; what cannot leave yet waits in queues."""
    listener.setblocking(False)
    inputs: List[socket.socket] = [listener]
    queues: Dict[socket.socket, Deque[bytes]] = {}
    while True:
        outputs = [sock for sock, queue in queues.items() if queue]
        readable, writable, _ = select.select(inputs, outputs, [])
        for sock in readable:
            if sock is listener:
                client, _ = listener.accept()
                client.setblocking(False)
                inputs.append(client)
                queues[client] = deque()
            elif data := receive(sock):
                queues[sock].append(capitals(data))
            elif data is not None:
                inputs.remove(sock)
        for sock in writable:
            if sock in queues:  # [4]
                send(sock, queues[sock])
        for sock in list(queues):
            if not queues[sock] and sock not in inputs:
                sock.close()  # [3]
                del queues[sock]


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Listen, say so, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=serve.__doc__)
    parser.add_argument("--port", type=int, default=12000, help="0: any")
    parser.add_argument("--buffer", type=int, help="the kernel's")
    options = parser.parse_args(argv)
    try:
        listener = socket.create_server(("127.0.0.1", options.port))
    except (OSError, OverflowError) as exc:
        parser.error(f"port {options.port}: {exc}; try --port 0")
    if options.buffer:
        # Each accepted socket inherits it.
        listener.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, options.buffer)
    with suppress(KeyboardInterrupt), listener:  # Ctrl-C is how it ends
        print("step_4_mended listening on %s:%d" % listener.getsockname(),
              flush=True)
        serve(listener)


if __name__ == "__main__":
    main()
