"""A select() server in capitals with one fault, by name: `python3 faulty_server.py FAULT HOST PORT`.

For the checker's tests: the faults that demos/lessons/broken/ does not have.  FAULT "none": it has none.
"""
import select
import socket
import sys
import time

LIMIT = 64 * 1024
fault = sys.argv[1]
queues = {}  # what is queued for each client
ended = set()  # clients that have said all they will say, with answers owed


def close(client):
    queues.pop(client, None)
    ended.discard(client)
    client.close()


def receive(client):
    try:
        data = client.recv(LIMIT)
    except OSError:
        if fault == "reset_unhandled":
            raise
        return close(client)
    if data:
        answer(client, data.strip().upper() + b"\r\n" if fault == "one_recv_is_one_request" else data.upper())
    elif fault == "half_close_is_the_end" or not queues[client]:
        close(client)
    else:
        ended.add(client)


def answer(client, data):
    if fault == "half_close_is_the_end":
        time.sleep(0.05)
        client.setblocking(False)
        try:
            if not client.recv(1, socket.MSG_PEEK):
                return close(client)
        except BlockingIOError:
            pass
    if fault == "blocking_send":
        client.setblocking(True)
        return client.sendall(data)
    queues[client] += data


def send(client):
    try:
        sent = client.send(queues[client])
    except BlockingIOError:
        return
    except OSError:
        if fault == "reset_unhandled":
            raise
        return close(client)
    if fault == "short_send_ignored":
        sent = len(queues[client])
    del queues[client][:sent]
    if not queues[client] and client in ended:
        close(client)


def turn(listener):
    reading = [client for client in queues if client not in ended and len(queues[client]) < LIMIT]
    writing = [client for client in queues if queues[client]]
    readable, writable, _ = select.select([listener, *reading], writing, [], 0 if fault == "busy_loop" else None)
    for sock in readable:
        if sock is listener:
            client, _ = listener.accept()
            client.setblocking(False)
            queues[client] = bytearray()
        else:
            receive(sock)
    for client in writable:
        if client in queues:
            send(client)


def serve_one_at_a_time(listener):
    while True:
        client, _ = listener.accept()
        with client:
            for data in iter(lambda: client.recv(LIMIT), b""):
                client.sendall(b"what?" if fault == "wrong_answer" else data.upper())


def serve(host, port):
    listener = socket.socket()
    if fault != "address_in_use":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if fault == "short_send_ignored":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # clients inherit it: soon it is full
    listener.bind((host, port))
    listener.listen(100)
    if fault in ("one_client_at_a_time", "wrong_answer"):
        serve_one_at_a_time(listener)
    while True:
        turn(listener)


if __name__ == "__main__":
    try:
        if fault == "never_listens":
            print("warming \x1b[31mup")
            time.sleep(60)
        if fault == "dies":
            sys.exit("there is no module flask")
        serve(sys.argv[2], int(sys.argv[3]))
    except KeyboardInterrupt:
        if fault == "interrupt_unhandled":
            raise
