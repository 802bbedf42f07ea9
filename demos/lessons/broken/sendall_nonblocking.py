"""A poet: says one long poem to who says anything, and then hangs up.

The symptom: with a slow reader the server stops in the middle of the poem, for everybody.

    python3 -m demos.lessons.broken sendall_nonblocking
"""
from __future__ import annotations

import select
import socket
import sys
from typing import List

server = socket.create_server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 10000))
# Small buffers, so that on one machine too the kernel has no room left now and then; clients inherit them.
server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
server.setblocking(False)
print("listening on %s:%d" % server.getsockname(), flush=True)

POEM = b"".join(b"line %07d of a poem without an end\n" % number for number in range(10000))
clients: List[socket.socket] = []


def hear(client: socket.socket) -> None:
    try:
        if client.recv(4096):
            client.sendall(POEM)
    except ConnectionError:
        pass  # it left before the end
    clients.remove(client)
    client.close()


while True:
    readable, _, _ = select.select([server, *clients], [], [])
    for sock in readable:
        if sock is server:
            client, _ = server.accept()
            client.setblocking(False)
            clients.append(client)
        else:
            hear(sock)
