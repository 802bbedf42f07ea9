"""A poet: says one long poem to who says anything, and then hangs up.

The symptom: with a slow reader the server stops in the middle of the poem, for everybody.

    python3 -m demos.lessons.broken sendall_nonblocking
"""
from __future__ import annotations

import select
import socket
import sys
from typing import Dict, List

server = socket.create_server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 10000))
# Small buffers, so that on one machine too the kernel has no room left now and then; clients inherit them.
server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
server.setblocking(False)
print("listening on %s:%d" % server.getsockname(), flush=True)

POEM = b"".join(b"line %07d of a poem without an end\n" % number for number in range(10000))
clients: List[socket.socket] = []
queues: Dict[socket.socket, bytes] = {}  # what each client is still to be sent


def hear(client: socket.socket) -> None:
    try:
        data = client.recv(4096)
    except ConnectionError:
        data = b""
    if data:
        queues[client] = queues.get(client, b"") + POEM
    else:
        drop(client)


def say(client: socket.socket) -> None:
    try:
        sent = client.send(queues[client])
    except ConnectionError:
        return drop(client)
    queues[client] = queues[client][sent:]
    if not queues[client]:
        drop(client)


def drop(client: socket.socket) -> None:
    clients.remove(client)
    queues.pop(client, None)
    client.close()


while True:
    readable, writable, _ = select.select([server, *clients], list(queues), [])
    for sock in readable:
        if sock is server:
            client, _ = server.accept()
            client.setblocking(False)
            clients.append(client)
        else:
            hear(sock)
    for client in writable:
        if client in queues:
            say(client)
