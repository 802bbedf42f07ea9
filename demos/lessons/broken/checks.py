"""What each exercise is tried with: a check tells what it sees, line by line; NotYet says what is not right."""
from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from .student import NotYet, Student

Check = Callable[[Student], Iterator[str]]

POEM = b"".join(b"line %07d of a poem without an end\n" % number for number in range(10000))
RULES = b"too large\n" + b"".join(b"rule %06d: nobody uploads more than a line\n" % number for number in range(5000))
FLOOD, PIECE = 32 * 1024 * 1024, 64 * 1024  # bytes: far more than two kernels hold
PAUSE = 0.1  # seconds, long enough for a server to read what was sent before


def always_writable(server: Student) -> Iterator[str]:
    """An idle server sleeps."""
    with server.client() as client:
        yield client.talk(b"hello", b"HELLO")
        yield "that client stays, and says no more"
        yield server.left_alone()
        yield client.talk(b"again", b"AGAIN")


def end_of_file_ignored(server: Student) -> Iterator[str]:
    """A client that has left costs nothing."""
    with server.client() as client:
        yield client.talk(b"hello", b"HELLO")
    with server.client():
        yield "another client connects, and leaves without a word; nobody is there now"
    time.sleep(PAUSE)
    yield server.left_alone()


def poem(server: Student) -> Iterator[str]:
    """A slow reader gets all of it; others are served meanwhile."""
    with server.client(small=True) as slow:
        slow.say(b"please\n")
        slow.wait_until_stuck()
        yield "a client asks for the poem, and reads nothing for a while"
        with server.client() as other:
            other.say(b"please\n")
            heard, end = other.hear_all()
            judge("another client, which reads at once,", heard, end)
            yield "another client gets the whole poem meanwhile"
        heard, end = slow.hear_all()
        judge("the slow client", heard, end)
        yield f"the slow client gets the whole poem, {len(POEM):,} bytes, and then end of file"


def judge(who: str, heard: bytes, end: str, wanted: bytes = POEM) -> None:
    """NotYet unless `heard` is `wanted`, to its end."""
    if heard != wanted:
        raise NotYet(f"{who} gets {len(heard):,} of {len(wanted):,} bytes, and then: {end}")


def decode_each_recv(server: Student) -> Iterator[str]:
    """A character may come in two pieces."""
    with server.client() as client:
        yield client.talk("été ".encode(), "ÉTÉ ".encode())
        first, second = b"caf\xc3", b"\xa9!"
        client.say(first)
        time.sleep(PAUSE)
        client.say(second)
        yield f"a client says {first!r} and, a moment later, {second!r}"
        yield client.hear("CAFÉ!".encode())
    with server.client() as client:
        yield client.talk(b"hello", b"HELLO", "another")


def lf_only(server: Student) -> Iterator[str]:
    """Both kinds of line end."""
    with server.client() as client:
        yield client.talk(b"john\n", b"C45\r\n", "nc")
    with server.client() as client:
        yield client.talk(b"phoebe\r\n", b"D52\r\n", "telnet")
        yield client.talk(b"nobody\r\n", b"unknown\r\n", "telnet")


def closed_but_listed(server: Student) -> Iterator[str]:
    """A server lives longer than its clients."""
    for number in (1, 2, 3):
        with server.client() as client:
            yield client.talk(b"hello", b"HELLO", f"client {number}")
        time.sleep(PAUSE)


def closed_twice(server: Student) -> Iterator[str]:
    """A socket may be readable and writable in one turn, and gone after the first of the two."""
    yield "five clients, one after another, say 400 lines each, half-close (no more to say) and listen"
    for _ in range(5):
        with server.client() as client:
            client.say_last(b"one of four hundred lines that I have to say, all at once\n" * 400)
            client.hear_all()
    with server.client() as client:
        yield client.talk(b"hello", b"hello", "a sixth")


def close_with_unread_input(server: Student) -> Iterator[str]:
    """Who is refused can read why."""
    for upload in (b"x\n", b"x" * 64 * 1024):
        with server.client(small=len(upload) == 2) as client:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.say(upload)
            yield f"a client uploads {len(upload):,} bytes, and then reads the answer"
            heard, end = client.hear_all(pause=2 * PAUSE)
            judge("it", heard, end, RULES)
            yield f"it gets all {len(heard):,} bytes of it, and then end of file"


def blocking_lookup(server: Student) -> Iterator[str]:
    """Who waits for the far machine waits alone."""
    with server.client() as asking, server.client() as other:
        yield other.talk(b"ping\n", b"pong\n")
        asking.say(b"find john\n")
        time.sleep(PAUSE)
        start = time.monotonic()
        other.talk(b"ping\n", b"pong\n")
        took = time.monotonic() - start
        yield f"another asks for a number; the first says ping again, and hears pong after {took:.3f} s"
        if took > 0.5:
            raise NotYet("the whole server stands still while one client's answer is looked up")
        yield "the number: " + asking.hear(b"555-0004\n")


def unbounded_queue(server: Student) -> Iterator[str]:
    """A server hears no more from who does not read."""
    piece = bytes(range(256)) * (PIECE // 256)
    with server.client(small=True) as client:
        client.sock.settimeout(1.0)
        yield "a client sends, and reads nothing"
        sent = flood(client.sock, piece)
        if sent >= FLOOD:
            raise NotYet(f"it could send {sent:,} bytes: the server keeps them all in its memory")
        yield f"after {sent:,} bytes the server hears it no more"
        heard, end = client.hear_all(most=sent)
    if heard != (piece * (sent // PIECE + 1))[:sent]:
        raise NotYet(f"then it reads, and gets {len(heard):,} bytes back, not those that it sent: {end}")
    yield "then it reads, and all comes back"


def flood(sock: socket.socket, piece: bytes) -> int:
    """Send until nothing is taken for a second, or FLOOD; how many bytes were taken."""
    sent = 0
    try:
        while sent < FLOOD:
            sent += sock.send(piece[sent % PIECE:])
    except socket.timeout:
        pass  # that is the bound that is looked for
    except OSError as exc:
        raise NotYet(f"a client that sends and does not read is hung up on after {sent:,} bytes: {exc}") from None
    return sent


CHECKS: Dict[str, Check] = {
    "always_writable": always_writable,
    "end_of_file_ignored": end_of_file_ignored,
    "short_send_ignored": poem,
    "eagain_as_error": poem,
    "sendall_nonblocking": poem,
    "decode_each_recv": decode_each_recv,
    "lf_only": lf_only,
    "closed_but_listed": closed_but_listed,
    "closed_twice": closed_twice,
    "close_with_unread_input": close_with_unread_input,
    "blocking_lookup": blocking_lookup,
    "unbounded_queue": unbounded_queue,
}


def run(check: Check, path: Path, say: Callable[[str], object]) -> Tuple[Optional[str], List[str]]:
    """Start the server and check it: what is not right yet, None when all is; and what the server said."""
    problem: Optional[str] = None
    said: List[str] = []
    try:
        with Student(path) as server:
            said = server.said
            for line in check(server):
                say(line)
    except NotYet as exc:
        problem = str(exc)
    return problem, said
