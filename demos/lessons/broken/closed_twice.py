"""Echo, with a list of messages for each client: what it says comes back.

The symptom: `printf 'hello' | nc localhost 10000`, a client that has nothing more to say, ends the whole
server.

    python3 -m demos.lessons.broken closed_twice
"""
from __future__ import annotations

import select
import socket
import sys
from collections import deque
from typing import Deque, Dict, List

server = socket.create_server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 10000))
server.setblocking(False)
print("listening on %s:%d" % server.getsockname(), flush=True)

clients: List[socket.socket] = []
messages: Dict[socket.socket, Deque[bytes]] = {}  # what each client is still to be sent


def hear(client: socket.socket) -> None:
    try:
        data = client.recv(1024)
    except ConnectionError:
        data = b""
    if data:
        messages[client].append(data)
    else:
        drop(client)


def say(client: socket.socket) -> None:
    message = messages[client].popleft()
    try:
        sent = client.send(message)
    except ConnectionError:
        drop(client)
    else:
        if sent < len(message):
            messages[client].appendleft(message[sent:])


def drop(client: socket.socket) -> None:
    clients.remove(client)
    del messages[client]
    client.close()


while True:
    waiting = [client for client in clients if messages[client]]
    readable, writable, _ = select.select([server, *clients], waiting, [])
    for sock in readable:
        if sock is server:
            client, _ = server.accept()
            client.setblocking(False)
            clients.append(client)
            messages[client] = deque()
        else:
            hear(sock)
    for client in writable:
        say(client)
