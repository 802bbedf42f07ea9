"""An upload that is refused: the answer to any line is a page of rules, and then we hang up.

The symptom: who sends only a line can read the rules, all of them.  Who is still uploading gets the first of
them, and then "connection reset by peer".

    python3 -m demos.lessons.broken close_with_unread_input
"""
from __future__ import annotations

import select
import socket
import sys
from typing import Dict, Set

server = socket.create_server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 10000))
server.setblocking(False)
print("listening on %s:%d" % server.getsockname(), flush=True)

RULES = b"too large\n" + b"rule %06d: nobody uploads more than a line\n" * 5000 % tuple(range(5000))
queues: Dict[socket.socket, bytes] = {}  # each client, and what it is still to be sent
told: Set[socket.socket] = set()  # those that have all of it, and may still be sending


def drop(client: socket.socket) -> None:
    del queues[client]
    told.discard(client)
    client.close()


def hear(client: socket.socket) -> None:
    try:
        data = client.recv(4096)
    except ConnectionError:
        data = b""
    if data:
        if client not in told:
            queues[client] = queues[client] or RULES
    else:
        drop(client)


def say(client: socket.socket) -> None:
    try:
        sent = client.send(queues[client])
    except ConnectionError:
        return drop(client)
    queues[client] = queues[client][sent:]
    if not queues[client]:
        # close() with input unread is a reset, which destroys what is on its way.  So: end of file,
        # then read what comes until the client has closed too.
        told.add(client)
        client.shutdown(socket.SHUT_WR)


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
