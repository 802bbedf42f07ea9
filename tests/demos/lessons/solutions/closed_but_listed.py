"""Shout: what a client says comes back in capitals.

The symptom: it serves the first client well, and nobody after the first has left.

    python3 -m demos.lessons.broken closed_but_listed
"""
from __future__ import annotations

import select
import socket
import sys
from typing import Dict, List

server = socket.create_server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 10000))
server.setblocking(False)
print("listening on %s:%d" % server.getsockname(), flush=True)

clients: List[socket.socket] = []
queues: Dict[socket.socket, bytes] = {}  # what each client is still to be sent


def drop(client: socket.socket) -> None:
    clients.remove(client)
    del queues[client]
    client.close()


def hear(client: socket.socket) -> None:
    try:
        data = client.recv(4096)
    except ConnectionError:
        data = b""
    if data:
        queues[client] += data.upper()
    else:
        drop(client)


def say(client: socket.socket) -> None:
    try:
        sent = client.send(queues[client])
    except ConnectionError:
        drop(client)
    else:
        queues[client] = queues[client][sent:]


while True:
    waiting = [client for client in queues if queues[client]]
    readable, writable, _ = select.select([server, *clients], waiting, [])
    for sock in readable:
        if sock is server:
            client, _ = server.accept()
            client.setblocking(False)
            clients.append(client)
            queues[client] = b""
        else:
            hear(sock)
    for client in writable:
        if client in queues:
            say(client)
