"""What the kernel does, with nothing between you and it: plain sockets and select(), no reactor.

    python3 -m demos.lessons.kernel                # the list
    python3 -m demos.lessons.kernel third_list     # one of them
"""
from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import sys
import time
from typing import Iterator

try:
    import fcntl
    import resource
except ImportError:
    pass  # Windows, where too_high() does without

from .showing import HERE, connection, main, outcome, read_all

WINDOWS = sys.platform == "win32"
NO_LINGER = struct.pack("hh" if WINDOWS else "ii", 1, 0)  # close() sends RST


def stream() -> Iterator[str]:
    """Three sends may be one recv: TCP carries bytes, not messages."""
    with connection() as (server, client):
        for word in (b"alpha", b"beta", b"gamma"):
            client.send(word)
            yield f"send({word!r})"
        select.select([], [], [], 0.05)
        yield f"recv(100) -> {server.recv(100)!r}"


def always_writable() -> Iterator[str]:
    """A socket with room is writable, always: a loop that asks about it never sleeps."""
    with connection() as (server, client):
        for reading, writing in (([client], [client]), ([client], [])):
            turns, cpu, end = 0, time.process_time(), time.monotonic() + 0.25
            while time.monotonic() < end:
                select.select(reading, writing, [], 0.25)
                turns += 1
            cpu = time.process_time() - cpu
            where = "in the write list" if writing else "out of it"
            yield f"an idle connection, {where}: {turns * 4:,} turns and {cpu * 4:.2f} s of CPU per second"


def end_of_file() -> Iterator[str]:
    """End of file is readable for ever: select() says so each time that it is asked."""
    with connection() as (server, client):
        client.close()
        for _ in range(3):
            ready = bool(select.select([server], [], [], 1)[0])
            yield f"select: {'readable' if ready else 'nothing'};  recv -> {server.recv(100)!r}"


def partial_send() -> Iterator[str]:
    """send() takes what there is room for, then says EAGAIN; how much, depends on the buffers."""
    ours, peer = socket.socketpair()
    with ours, peer:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        ours.setblocking(False)
        for _ in range(10):
            try:
                yield f"send of 100,000 bytes -> {ours.send(bytes(100000)):,}"
            except BlockingIOError as exc:
                yield f"send of 100,000 bytes -> {exc}: not now"
                break


def sendall() -> Iterator[str]:
    """sendall() on a non-blocking socket fails half-way and does not tell where."""
    with connection(small=True) as (server, client):
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        server.setblocking(False)
        yield f"sendall of 1,000,000 bytes -> {outcome(lambda: server.sendall(bytes(1000000)))}"
        server.close()
        yield f"the peer got {read_all(client)[0]:,} of them; the exception did not say how many"


def third_list() -> Iterator[str]:
    """What select()'s third list is for: urgent bytes, not errors (and on Windows a failed connect)."""
    yield f"{'':22}{'readable':10}{'writable':10}third list"
    with connection() as (server, client):
        client.send(b"!", socket.MSG_OOB)
        yield row("an urgent byte came", server)
    with connection() as (server, client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        client.close()
        yield row("the peer reset it", server)
    with connection() as (server, client):
        client.close()
        yield row("the peer closed it", server)
    with socket.socket() as nobody, socket.socket() as client:
        nobody.bind((HERE, 0))  # bound, and not listening: connect is refused
        client.setblocking(False)
        client.connect_ex(nobody.getsockname())
        yield row("connect was refused", client)


def row(what: str, sock: socket.socket) -> str:
    """Which lists a socket is in, once the news has arrived."""
    select.select([sock], [], [sock], 1)
    lists = select.select([sock], [sock], [sock], 0)
    return f"{what:22}" + "".join(f"{'yes' if found else '-':10}" for found in lists).rstrip()


def connecting() -> Iterator[str]:
    """connect() without blocking: in progress, then writable, then SO_ERROR tells how it went, once."""
    with socket.create_server((HERE, 0)) as listener, socket.socket() as closed:
        closed.bind((HERE, 0))
        for who, address in (("a server", listener.getsockname()), ("nobody", closed.getsockname())):
            with socket.socket() as sock:
                sock.setblocking(False)
                yield f"to {who}: connect -> {name(sock.connect_ex(address))}"
                select.select([], [sock], [sock], 1)
                codes = [name(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) for _ in range(2)]
                yield f"   writable; SO_ERROR -> {codes[0]}; asked again -> {codes[1]}"


def name(code: int) -> str:
    """An errno by its name."""
    return errno.errorcode.get(code, str(code)) if code else "0, no error"


def late_send() -> Iterator[str]:
    """The first send to a peer that has closed succeeds; the kernel took it, nobody reads it."""
    with connection() as (server, client):
        client.close()
        yield f"first send  -> {outcome(lambda: server.send(b'x'))}"
        select.select([], [], [], 0.05)  # its answer to that byte, a reset, arrives
        yield f"second send -> {outcome(lambda: server.send(b'x'))}"


def unread_input() -> Iterator[str]:
    """close() with input unread is a reset, and a reset destroys what is still on its way."""
    answer = bytes(1000000)
    for unread, drained in ((False, False), (True, False), (True, True)):
        with connection(small=True) as (server, client):
            if unread:
                client.send(b"something to read.")
            server.settimeout(5)
            taken = server.send(answer)
            if drained:
                server.shutdown(socket.SHUT_WR)
                server.recv(100)
            server.close()
            time.sleep(0.05)  # a moment in which the peer does something else
            got, end = read_all(client)
            how = ("read, then closed" if drained else "not read") if unread else "none"
            yield f"input: {how:18} the kernel took {taken:,} bytes, the peer gets {got:,}, then {end}"


def time_wait() -> Iterator[str]:
    """Who closes first keeps the port in TIME_WAIT; SO_REUSEADDR lets the next server have it."""
    for reuse in (0, 1):
        with socket.socket() as listener, socket.socket() as client, socket.socket() as again:
            for sock in (listener, again):
                if not WINDOWS:  # there it means that others may take the port away
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
            listener.bind((HERE, 0))
            listener.listen(1)
            address = listener.getsockname()
            client.connect(address)
            listener.accept()[0].close()  # the server first
            client.recv(1)
            client.close()
            listener.close()
            answer = outcome(lambda: again.bind(address))
            yield f"SO_REUSEADDR {reuse}: the next server's bind -> {'works' if answer == 'None' else answer}"


def backlog() -> Iterator[str]:
    """listen(5) does not mean five clients: it is how many may wait to be accepted, more or less."""
    for size in (0, 1, 5):
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket())
            listener.bind((HERE, 0))
            listener.listen(size)
            clients = [stack.enter_context(socket.socket()) for _ in range(10)]
            for client in clients:
                client.setblocking(False)
                client.connect_ex(listener.getsockname())
            time.sleep(0.05)
            connected = len(select.select([], clients, [], 0)[1])
            yield f"listen({size}), no accept at all: of 10 clients {connected} are connected"


def early_client() -> Iterator[str]:
    """Connected is not accepted: a client can come, speak and leave before accept()."""
    with socket.create_server((HERE, 0)) as listener:
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(b"early")
        yield "a client connected, sent and closed; accept() was not called yet"
        server, _ = listener.accept()
        with server:
            yield f"accept, then recv -> {server.recv(100)!r}, then recv -> {server.recv(100)!r}"


def nagle() -> Iterator[str]:
    """Two small writes and a read take 40 ms, unless TCP_NODELAY is set."""
    for nodelay in (0, 1):
        with connection() as (server, client):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
            times = []
            for _ in range(5):
                start = time.perf_counter()
                client.send(b"ask ")
                client.send(b"this")
                while len(server.recv(100, socket.MSG_PEEK)) < 8:
                    select.select([], [], [], 0.0005)
                server.recv(100)
                server.send(b"answer")
                client.recv(100)
                times.append((time.perf_counter() - start) * 1000)
            yield f"TCP_NODELAY {nodelay}: " + ", ".join(f"{took:.0f}" for took in times) + " ms"


def datagrams() -> Iterator[str]:
    """UDP keeps the borders, and cuts what does not fit; TCP has none to keep."""
    with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        server.bind((HERE, 0))
        for word in (b"alpha", b"beta", b"0123456789"):
            client.sendto(word, server.getsockname())
        yield f"three datagrams: {server.recv(100)!r}, {server.recv(100)!r}"
        yield f"the third has 10 bytes: recv(4) -> {outcome(lambda: server.recv(4))}, the others are gone"
        server.setblocking(False)
        yield f"once more recv(4) -> {outcome(lambda: server.recv(4))}"


def too_high() -> Iterator[str]:
    """select() holds descriptors below 1024: the number counts, not how many there are."""
    if WINDOWS:
        yield "on Windows select() holds 512 sockets, whatever their numbers"
        return
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(2000, before[1]), before[1]))
        with open(os.devnull) as file:
            high = fcntl.fcntl(file.fileno(), fcntl.F_DUPFD, 1024)
        yield f"one file is open, and its descriptor is {high}"
        yield f"select([{high}], [], [], 0) -> {outcome(lambda: select.select([high], [], [], 0))}"
        os.close(high)
    except (OSError, ValueError) as exc:
        yield f"this system does not let us have a descriptor from 1024 on: {exc}"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def fairness() -> Iterator[str]:
    """select() answers in the order of your list: who stands first in it is served first, each time."""
    with contextlib.ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(3)]
        for ours, peer in pairs:
            stack.enter_context(ours)
            stack.enter_context(peer).send(b"x")
        names = dict(zip([ours for ours, _ in pairs], "ABC"))
        for order in (list(names), list(names)[::-1]):
            ready = select.select(order, [], [], 1)[0]
            yield f"asked {''.join(names[sock] for sock in order)} -> ready {''.join(names[sock] for sock in ready)}"


EXPERIMENTS = {experiment.__name__: experiment for experiment in (
    stream, always_writable, end_of_file, partial_send, sendall, third_list, connecting, late_send, unread_input,
    time_wait, backlog, early_client, nagle, datagrams, too_high, fairness)}

if __name__ == "__main__":
    main("kernel", EXPERIMENTS)
