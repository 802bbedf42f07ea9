"""select() with queues, the way course texts write it: three lists.

New        outputs: whoever has an answer waiting is watched for room to send.
           An idle client is in no list of writers, so nothing spins.
Breaks     python3 -m demos.lessons 4
           [1] send() may take less than it is given; the rest is gone.  Linux
               hides it, local sockets hold megabytes: see --buffer 4096.
           [2] A reset raises out of recv(), and the server is dead for all.
           [3] End of input closes at once, whatever is still queued.
           [4] The closed one is still in `writable`: KeyError, dead as well.
Repaired   in step_4_mended, fault by fault.
"""
from __future__ import annotations

import argparse
import queue
import select
import socket
from contextlib import suppress
from typing import Dict, List, Optional, Sequence


def capitals(data: bytes) -> bytes:
    """The answer to what was received."""
    return data.decode().upper().encode()


def serve(listener: socket.socket) -> None:
    """Serve all in one thread; what cannot leave yet waits in queues."""
    listener.setblocking(False)
    inputs: List[socket.socket] = [listener]
    outputs: List[socket.socket] = []
    message_queues: Dict[socket.socket, queue.Queue[bytes]] = {}
    while True:
        readable, writable, exceptional = select.select(
            inputs, outputs, inputs)
        for sock in readable:
            if sock is listener:
                client, _ = listener.accept()
                client.setblocking(False)
                inputs.append(client)
                message_queues[client] = queue.Queue()
            elif data := sock.recv(65536):  # [2]
                message_queues[sock].put(capitals(data))
                if sock not in outputs:
                    outputs.append(sock)
            else:
                if sock in outputs:
                    outputs.remove(sock)
                inputs.remove(sock)
                sock.close()
                del message_queues[sock]  # [3]
        for sock in writable:
            try:
                message = message_queues[sock].get_nowait()  # [4]
            except queue.Empty:
                outputs.remove(sock)
            else:
                sock.send(message)  # [1]
        for sock in exceptional:
            inputs.remove(sock)
            if sock in outputs:
                outputs.remove(sock)
            sock.close()
            del message_queues[sock]


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Listen, say so, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="step_4", description=serve.__doc__)
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
        print("step_4 listening on %s:%d" % listener.getsockname(), flush=True)
        serve(listener)


if __name__ == "__main__":
    main()
