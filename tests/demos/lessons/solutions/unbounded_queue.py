"""Echo: what a client says comes back.

The symptom: a client that sends much and reads nothing makes the server grow until the machine has no memory
left.

    python3 -m demos.lessons.broken unbounded_queue
"""
from __future__ import annotations

import select
import socket
import sys
from typing import Dict

server = socket.create_server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 10000))
server.setblocking(False)
print("listening on %s:%d" % server.getsockname(), flush=True)

ENOUGH = 256 * 1024  # bytes queued for a client that is not heard until it has read
queues: Dict[socket.socket, bytearray] = {}  # each client, and what it is still to be sent


def drop(client: socket.socket) -> None:
    del queues[client]
    client.close()


def hear(client: socket.socket) -> None:
    try:
        data = client.recv(65536)
    except ConnectionError:
        data = b""
    if data:
        queues[client] += data
    else:
        drop(client)


def say(client: socket.socket) -> None:
    try:
        sent = client.send(queues[client])
    except ConnectionError:
        drop(client)
    else:
        del queues[client][:sent]


while True:
    waiting = [client for client in queues if queues[client]]
    heard = [client for client in queues if len(queues[client]) < ENOUGH]
    readable, writable, _ = select.select([server, *heard], waiting, [])
    for sock in readable:
        if sock is server:
            client, _ = server.accept()
            client.setblocking(False)
            queues[client] = bytearray()
        else:
            hear(sock)
    for client in writable:
        if client in queues:
            say(client)
