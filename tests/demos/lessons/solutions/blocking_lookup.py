"""A telephone book: `find NAME` asks a far machine for a number, `ping` is answered by ourselves.

The symptom: while one client waits for a number, nobody gets as much as an answer to ping.

    python3 -m demos.lessons.broken blocking_lookup
"""
from __future__ import annotations

import select
import socket
import sys
import threading
import time
from queue import SimpleQueue
from typing import Dict, Tuple

server = socket.create_server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 10000))
server.setblocking(False)
print("listening on %s:%d" % server.getsockname(), flush=True)

queues: Dict[socket.socket, bytes] = {}  # each client, and what it is still to be sent
found: SimpleQueue[Tuple[socket.socket, bytes]] = SimpleQueue()  # what the threads bring back
ear, mouth = socket.socketpair()  # and how they wake select


def work(client: socket.socket, name: bytes) -> None:
    found.put((client, far_look_up(name)))
    mouth.send(b"!")


def collect() -> None:
    ear.recv(1)
    client, number = found.get()
    if client in queues:
        queues[client] += number + b"\n"


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
        threading.Thread(target=work, args=(client, words[-1]), daemon=True).start()
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
    readable, writable, _ = select.select([server, ear, *queues], waiting, [])
    for sock in readable:
        if sock is server:
            client, _ = server.accept()
            client.setblocking(False)
            queues[client] = b""
        elif sock is ear:
            collect()
        else:
            hear(sock)
    for client in writable:
        if client in queues:
            say(client)
