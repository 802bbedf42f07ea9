"""Clients that servers break on, each a function of (host, port) that returns what it saw.

All of them talk to a server that answers lines in capitals, speak UTF-8 lines that end with CRLF, give up after
`patience` seconds without progress, and leave no socket behind.  None raises for what the server does.
"""
from __future__ import annotations

import select
import socket
import struct
import time
from typing import Callable, Iterable, List, NamedTuple, Optional

LINE = b"the quick brown fox jumps over the lazy dog\r\n"
# Each second letter needs two bytes, so that most ways to cut this in pieces cut a letter.
ACCENTS = "áéíóú ÿ àèìòù\r\n".encode()
NOW = struct.pack("ii", 1, 0)  # SO_LINGER with no time at all: close() answers with a reset
LARGE = 256 * 1024
# Before connect, and small: else the kernels of both ends take megabytes before anybody is slow.
SMALL = 16 * 1024
STUCK = 0.3  # seconds without room after which a server takes no more
Begun = Callable[[], object]


class Seen(NamedTuple):
    """What a client saw.  `end` is open (it left first, with all it waited for), eof, reset, silence or refused."""

    sent: int
    received: bytes
    intact: bool  # received what a faultless server answers, no byte less, more or else
    end: str
    seconds: float  # from before connect until the last byte, or until it gave up
    ahead: int  # bytes that the server took before this client read any

    @property
    def lost(self) -> int:
        """Bytes of answer that never came."""
        return max(self.sent - len(self.received), 0)


def lines(size: int) -> bytes:
    """At least `size` bytes, in whole lines of nearly a thousand bytes."""
    line = LINE.rstrip() * 22 + b"\r\n"
    return line * (size // len(line) + 1)


def capitals(data: bytes) -> bytes:
    """The faultless answer; what is no UTF-8 stays as it is."""
    return data.decode("utf-8", "surrogateescape").upper().encode("utf-8", "surrogateescape")


def polite(host: str, port: int, data: bytes = LINE, patience: float = 2.0) -> Seen:
    """Send, read the answer, leave."""
    return Client(host, port, patience).play([data])


def silent(host: str, port: int, seconds: float = 0.5, patience: float = 2.0, begun: Begun = int) -> Seen:
    """Connect and say nothing for so long, or until the server ends it; `begun()` is called once connected."""
    client = Client(host, port, patience)
    begun()
    client.wait(seconds)
    return client.leave()


def slow(host: str, port: int, size: int = 8_000_000, pause: float = 0.5, patience: float = 2.0,
         begun: Begun = int) -> Seen:
    """Send `size` bytes as fast as the server takes them, reading nothing; then read, send the rest, read all.

    It begins to read `pause` seconds after the server took no more, or took all; that is when `begun()` is called.
    """
    client = Client(host, port, patience, receive_buffer=SMALL)
    rest = client.send(lines(size), STUCK)
    begun()
    time.sleep(pause)
    return client.play([bytes(rest)])


def waiting(host: str, port: int, patience: float = 2.0, begun: Begun = int) -> Seen:
    """Send the line WAIT, call `begun()`, and read the answer."""
    client = Client(host, port, patience)
    client.send(b"WAIT\r\n", patience)
    begun()
    return client.play([])


def flooding(host: str, port: int, size: int = 48_000_000, patience: float = STUCK) -> Seen:
    """Send and never read, until all is sent or the server takes no more; then reset."""
    client = Client(host, port, patience, receive_buffer=SMALL)
    client.send(lines(size), patience)
    return client.reset()


def resetting(host: str, port: int, patience: float = 2.0) -> Seen:
    """Ask, read the answer, send half a line, and reset the connection."""
    client = Client(host, port, patience)
    client.exchange(LINE)
    client.send(LINE[:9], patience)
    return client.reset()


def hanging_up(host: str, port: int, patience: float = 2.0) -> Seen:
    """Connect and close, without a word (nc -z)."""
    return Client(host, port, patience).leave()


def half_closing(host: str, port: int, size: int = 200_000, patience: float = 2.0) -> Seen:
    """Send, half-close at once, then read the answer to its end (printf ... | nc)."""
    # All of it leaves in one call, so that the end is there before the server has read the rest.
    client = Client(host, port, patience, send_buffer=4 * size)
    client.send(lines(size), patience)
    client.half_close()
    return client.play([], until_end=True)


def chopped(host: str, port: int, pause: float = 0.01, patience: float = 2.0) -> Seen:
    """Send a line byte by byte with a pause after each, so that letters of two bytes arrive in halves."""
    return Client(host, port, patience).play((ACCENTS[i:i + 1] for i in range(len(ACCENTS))), pause=pause)


def crowd(host: str, port: int, count: int, patience: float = 2.0) -> List[Seen]:
    """`count` clients that connect before any of them speaks; what each of them saw."""
    clients = [Client(host, port, patience) for _ in range(count)]
    return [client.play([LINE]) for client in clients]


class Client:
    """One connection, driven by what the functions above want.  A failed connect is an end like others."""

    def __init__(self, host: str, port: int, patience: float, receive_buffer: int = 0, send_buffer: int = 0) -> None:
        self.patience = patience
        self.began = time.monotonic()
        self.end: Optional[str] = None
        self.ahead = 0
        self.sent = bytearray()
        self.received = bytearray()
        self.last = self.began
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        for option, size in ((socket.SO_RCVBUF, receive_buffer), (socket.SO_SNDBUF, send_buffer)):
            if size:
                self.sock.setsockopt(socket.SOL_SOCKET, option, size)
        self.sock.settimeout(patience)
        try:
            self.sock.connect((host, port))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.end = "refused"
        self.sock.setblocking(False)

    def play(self, pieces: Iterable[bytes], pause: float = 0.0, until_end: bool = False) -> Seen:
        """Send the pieces, with a pause after each, then read until all is answered (`until_end`: to end of file)."""
        for piece in pieces:
            self.exchange(piece, answer=False)
            self.wait(pause)
        self.exchange(b"", until_end=until_end)
        return self.leave()

    def exchange(self, data: bytes, answer: bool = True, until_end: bool = False) -> None:
        """Send and receive at once, nobody waiting for the other; until all is sent, or also all is answered."""
        view = memoryview(data)
        while not self.end and (view or answer and (until_end or len(self.received) < len(self.sent))):
            readable, writable, _ = select.select([self.sock], [self.sock] if view else [], [], self.patience)
            if not (readable or writable):
                self.end = "silence"
            if writable:
                view = view[self._send(view):]
            if readable:
                self._receive()

    def send(self, data: bytes, patience: float) -> memoryview:
        """Send without reading, until the server takes nothing for `patience` seconds; what is left of it."""
        view = memoryview(data)
        while view and not self.end and select.select([], [self.sock], [], patience)[1]:
            view = view[self._send(view):]
        return view

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._ended("reset")

    def wait(self, seconds: float) -> None:
        """Do nothing but read, for so long or until the end."""
        until = time.monotonic() + seconds
        while not self.end and (left := until - time.monotonic()) > 0:
            if select.select([self.sock], [], [], left)[0]:
                self._receive()

    def leave(self) -> Seen:
        """Close in peace."""
        self.sock.close()
        intact = self.end in (None, "eof") and bytes(self.received) == capitals(bytes(self.sent))
        return Seen(len(self.sent), bytes(self.received), intact, self.end or "open", self.last - self.began,
                    self.ahead)

    def reset(self) -> Seen:
        """Close with a reset."""
        if not self.end:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
        return self.leave()

    def _send(self, view: memoryview) -> int:
        try:
            count = self.sock.send(view[:LARGE])
        except BlockingIOError:
            return 0
        except OSError:
            self._ended("reset")
            return 0
        self.sent += view[:count]
        if not self.received:
            self.ahead = len(self.sent)
        return count

    def _receive(self) -> None:
        try:
            data = self.sock.recv(LARGE)
        except BlockingIOError:
            return
        except OSError:
            self._ended("reset")
            return
        self.last = time.monotonic()
        self.received += data
        if not data:
            self._ended("eof")

    def _ended(self, how: str) -> None:
        self.end = how
        self.last = time.monotonic()
