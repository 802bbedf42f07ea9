"""A select() server with one fault, by name: `python3 faulty_server.py FAULT HOST PORT`.  FAULT "none": it has none.

For the checker's tests.  Capitals, byte for byte; with "lines" in the name, line for line.
"""
import select
import socket
import sys
import time

fault, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
lines = fault in ("lf_only", "one_recv_is_one_request", "lines")
LIMIT = 64 * 1024
queues = {}  # client: what is queued for it
pending = {}  # client: an unended line
ended = set()  # clients that will send no more


def close(client):
    if fault != "closed_but_listed":
        if fault == "closed_twice":
            queues.pop(client)
            del pending[client]
        elif client in queues:
            queues.pop(client)
            del pending[client]
    ended.discard(client)
    client.close()


def answer(client, data):
    if fault == "decode_each_recv":
        return data.decode().upper().encode()
    if fault == "one_recv_is_one_request":
        return data.strip().upper() + b"\r\n"
    if not lines:
        return data.upper()
    *whole, pending[client] = (pending[client] + data).split(b"\n")
    if fault == "lf_only":
        return b"".join(b"UNKNOWN\n" if line.endswith(b"\r") else line.upper() + b"\n" for line in whole)
    return b"".join(line.rstrip(b"\r").upper() + b"\r\n" for line in whole)


def receive(client):
    try:
        data = client.recv(LIMIT)
    except OSError:
        if fault == "reset_unhandled":
            raise
        return close(client)
    if not data:
        if fault == "end_of_file_ignored":
            return
        if fault in ("half_close_is_the_end", "closed_but_listed", "closed_twice") or not queues[client]:
            return close(client)
        ended.add(client)
        return
    if fault == "blocking_lookup":
        time.sleep(1)
    if fault == "half_close_is_the_end":
        time.sleep(0.05)
        client.setblocking(False)
        try:
            if not client.recv(1, socket.MSG_PEEK):
                return close(client)
        except BlockingIOError:
            pass
    reply = answer(client, data)
    if fault == "sendall_nonblocking":
        return client.sendall(reply)
    if fault == "blocking_send":
        client.setblocking(True)
        try:
            client.sendall(reply)
        except OSError:
            close(client)
        return
    if fault == "eagain_as_error":
        sent = 0
        try:
            while sent < len(reply):
                sent += client.send(reply[sent:])
        except OSError:
            close(client)
        return
    queues[client] += reply


def send(client):
    if not queues[client]:
        if client in ended:
            close(client)
        return
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
    reading = [listener] + [client for client in queues if client not in ended
                            and (fault == "unbounded_queue" or len(queues[client]) < LIMIT)]
    writing = [client for client in queues if queues[client] or fault == "always_writable"]
    readable, writable, _ = select.select(reading, writing, [], 0 if fault == "busy_loop" else None)
    for sock in readable:
        if sock is listener:
            client, _ = listener.accept()
            client.setblocking(False)
            queues[client], pending[client] = bytearray(), b""
        else:
            receive(sock)
    for sock in writable:
        if fault == "closed_twice" or sock in queues:
            send(sock)


def serve_one_at_a_time(listener):
    while True:
        client, _ = listener.accept()
        with client:
            for data in iter(lambda: client.recv(65536), b""):
                client.sendall(data.upper())


def main():
    listener = socket.socket()
    if fault != "address_in_use":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if fault in ("short_send_ignored", "eagain_as_error", "sendall_nonblocking"):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # clients inherit it: soon it is full
    listener.bind((host, port))
    listener.listen(100)
    if fault == "wrong_answer":
        fault_answers = listener.accept()[0]
        fault_answers.recv(100)
        fault_answers.sendall(b"what?")
        time.sleep(60)
    if fault == "one_client_at_a_time":
        serve_one_at_a_time(listener)
    while True:
        turn(listener)


if __name__ == "__main__":
    if fault == "never_listens":
        print("warming up")
        time.sleep(60)
    if fault == "dies":
        sys.exit("no such module: flask")
    try:
        main()
    except KeyboardInterrupt:
        if fault == "interrupt_unhandled":
            raise
