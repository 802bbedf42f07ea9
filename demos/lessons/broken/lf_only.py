"""An address book: a name in, a room out, line by line.

The symptom: it works from nc, and from telnet it knows nobody.

    python3 -m demos.lessons.broken lf_only
"""
from __future__ import annotations

import select
import socket
import sys
from typing import Dict

server = socket.create_server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 10000))
server.setblocking(False)
print("listening on %s:%d" % server.getsockname(), flush=True)

ROOMS = {b"john": b"C45", b"phoebe": b"D52"}
queues: Dict[socket.socket, bytes] = {}  # each client, and what it is still to be sent

heard: Dict[socket.socket, bytes] = {}  # the beginning of each client's next line


def drop(client: socket.socket) -> None:
    del queues[client], heard[client]
    client.close()


def hear(client: socket.socket) -> None:
    try:
        data = client.recv(4096)
    except ConnectionError:
        data = b""
    if not data:
        return drop(client)
    *lines, heard[client] = (heard[client] + data).split(b"\n")
    for line in lines:
        queues[client] += ROOMS.get(line.lower(), b"unknown") + b"\r\n"


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
            queues[client] = heard[client] = b""
        else:
            hear(sock)
    for client in writable:
        if client in queues:
            say(client)
