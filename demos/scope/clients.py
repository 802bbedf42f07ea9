"""The clients of the experiments; they run on the page's loop."""
from __future__ import annotations

import socket
import time
from typing import List, Optional

from protocols.base import Transport

from .story import Side

PIECE = 64 * 1024


class Client(Side):
    """Says what it is told to say, and keeps the last that came."""

    received = 0
    last = b""

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self.last = data

    def say(self, data: bytes) -> None:
        """Send it."""
        self.transport.write(data)


class Passer(Client):
    """Connects and closes, without a word: nc -z."""

    def connection_made(self, transport: Transport) -> None:
        super().connection_made(transport)
        transport.close()


class Asker(Client):
    """Asks, and measures how long the answer takes."""

    def __init__(self) -> None:
        self.seconds: List[float] = []
        self._asked: Optional[float] = None

    def ask(self, question: bytes = b"anybody there?\n") -> None:
        """Ask, unless an answer is missing still."""
        if self.transport is not None and self._asked is None:
            self._asked = time.perf_counter()
            self.say(question)

    @property
    def waits(self) -> bool:
        """True while an answer is missing."""
        return self._asked is not None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._asked is not None and data.endswith(b"\n"):
            self.seconds.append(time.perf_counter() - self._asked)
            self._asked = None


class SlowReader(Client):
    """Reads no more than it is allowed to, through a small buffer."""

    _allowed = 0.0

    def connection_made(self, transport: Transport) -> None:
        super().connection_made(transport)
        self.shrink(socket.SO_RCVBUF)
        transport.pause_reading()

    def allow(self, size: float) -> None:
        """So many bytes more; what is not used soon is lost."""
        self._allowed = min(self._allowed + size, 2 * size)
        if self._allowed > 0 and self.transport is not None:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._allowed -= len(data)
        if self._allowed <= 0:
            self.transport.pause_reading()


class Talker(Client):
    """Says something, if there is room for it."""

    said = silent = 0
    _is_full = False

    def connection_made(self, transport: Transport) -> None:
        super().connection_made(transport)
        self.shrink(socket.SO_SNDBUF)

    def say(self, data: bytes) -> None:
        """Send it, or count that it could not be said."""
        if self._is_full:
            self.silent += 1
        else:
            self.said += 1
            super().say(data)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False


class Uploader(Client):
    """Sends so many bytes as fast as they are taken, and reads what is answered meanwhile."""

    def __init__(self, size: int) -> None:
        self.left = size

    def connection_made(self, transport: Transport) -> None:
        super().connection_made(transport)
        self.shrink(socket.SO_RCVBUF)
        self.resume_writing()

    def resume_writing(self) -> None:
        while self.left and not (self.transport.get_write_buffer_size() or self.transport.is_closing()):
            self.left -= (size := min(PIECE, self.left))
            self.transport.write(bytes(size))
