"""A poet: says one long poem to who says anything, and then hangs up.

The symptom: many clients are hung up on in the middle of the poem, slow readers always.

    python3 -m demos.lessons.broken eagain_as_error
"""
from __future__ import annotations

import select
import socket
import sys
from typing import Dict

server = socket.create_server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 10000))
# Small buffers, so that on one machine too the kernel has no room left now and then; clients inherit them.
server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
server.setblocking(False)
print("listening on %s:%d" % server.getsockname(), flush=True)

POEM = b"".join(b"line %07d of a poem without an end\n" % number for number in range(10000))
queues: Dict[socket.socket, bytes] = {}  # each client, and what it is still to be sent


def drop(client: socket.socket) -> None:
    del queues[client]
    client.close()


def hear(client: socket.socket) -> None:
    try:
        data = client.recv(4096)
    except ConnectionError:
        data = b""
    if data:
        queues[client] += POEM
    else:
        drop(client)


def say(client: socket.socket) -> None:
    try:
        while queues[client]:
            sent = client.send(queues[client])
            queues[client] = queues[client][sent:]
    except BlockingIOError:
        return  # no error but an answer: not now.  select tells when
    except OSError as problem:
        print("lost a client:", problem, flush=True)
    drop(client)


while True:
    waiting = [client for client in queues if queues[client]]
    readable, writable, _ = select.select([server, *queues], waiting, [])
    for sock in readable:
        if sock is server:
            client, _ = server.accept()
            client.setblocking(False)
            queues[client] = b""
        else:
            hear(sock)
    for client in writable:
        if client in queues:
            say(client)
