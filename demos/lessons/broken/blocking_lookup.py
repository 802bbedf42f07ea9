"""A telephone book: `find NAME` asks a far machine for a number, `ping` is answered by ourselves.

The symptom: while one client waits for a number, nobody gets as much as an answer to ping.

    python3 -m demos.lessons.broken blocking_lookup
"""
from __future__ import annotations

import select
import socket
import sys
import time
from typing import Dict

server = socket.create_server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 10000))
server.setblocking(False)
print("listening on %s:%d" % server.getsockname(), flush=True)

queues: Dict[socket.socket, bytes] = {}  # each client, and what it is still to be sent


def far_look_up(name: bytes) -> bytes:
    time.sleep(1.0)  # the far machine is slow: do not mend it here
    return b"555-%04d" % len(name)


def drop(client: socket.socket) -> None:
    del queues[client]
    client.close()


def hear(client: socket.socket) -> None:
    try:
        words = client.recv(4096).split()
    except ConnectionError:
        words = []
    if not words:
        drop(client)
    elif words[0] == b"find":
        queues[client] += far_look_up(words[-1]) + b"\n"
    else:
        queues[client] += b"pong\n"


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
