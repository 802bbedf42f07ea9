"""Shout, for every language: what a client says comes back in capitals, in UTF-8.

The symptom: the server ran for weeks; then somebody wrote a word with an accent over a bad line, and it was
gone.

    python3 -m demos.lessons.broken decode_each_recv
"""
from __future__ import annotations

import codecs
import select
import socket
import sys
from collections import defaultdict
from typing import Dict

server = socket.create_server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 10000))
server.setblocking(False)
print("listening on %s:%d" % server.getsockname(), flush=True)

queues: Dict[socket.socket, bytes] = {}  # each client, and what it is still to be sent
# A character may come in pieces: each decoder keeps the piece that it has until the rest is there.
decoders = defaultdict(lambda: codecs.getincrementaldecoder("utf-8")("replace"))  # by client


def drop(client: socket.socket) -> None:
    del queues[client]
    decoders.pop(client, None)
    client.close()


def hear(client: socket.socket) -> None:
    try:
        data = client.recv(4096)
    except ConnectionError:
        data = b""
    if data:
        queues[client] += decoders[client].decode(data).upper().encode()
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
