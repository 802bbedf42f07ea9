"""Shout: what a client says comes back in capitals.

The symptom: a client comes and leaves without a word, and the server uses all of a CPU from then on.

    python3 -m demos.lessons.broken end_of_file_ignored
"""
from __future__ import annotations

import select
import socket
import sys
from typing import Dict

server = socket.create_server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 10000))
server.setblocking(False)
print("listening on %s:%d" % server.getsockname(), flush=True)

queues: Dict[socket.socket, bytes] = {}  # each client, and what it is still to be sent


def drop(client: socket.socket) -> None:
    del queues[client]
    client.close()


def hear(client: socket.socket) -> None:
    try:
        data = client.recv(4096)
    except ConnectionError:
        return drop(client)
    if data:
        queues[client] += data.upper()
    else:
        drop(client)  # end of file: select calls it readable for ever


def say(client: socket.socket) -> None:
    try:
        sent = client.send(queues[client])
    except ConnectionError:
        drop(client)
    else:
        queues[client] = queues[client][sent:]


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
