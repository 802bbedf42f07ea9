"""Where http_fetch puts what it fetches, and how it shows how far it is."""
from __future__ import annotations

import os
import tempfile
import time
from collections import deque
from typing import IO, Any, BinaryIO, Callable, Deque, Optional, Protocol, Sequence

# Bodies that wait for their turn on stdout stay in memory up to here, then in a temporary file.
IN_MEMORY = 1024 * 1024

# A body shorter than this is there before anybody could read a bar.
LONG = 256 * 1024
REFRESH = 0.2
BAR = 24


class Output(Protocol):
    """A place for one body.  Every method may raise OSError."""

    #: Whether the body of an error is of use there.
    takes_errors: bool

    def already(self) -> int:
        """Bytes that are there from an earlier time."""

    def open(self, offset: int) -> None:
        """Called once the answer is known to be good: what is kept of the earlier time are `offset` bytes."""

    def write(self, data: bytes) -> None:
        """The next bytes."""

    def close(self) -> None:
        """Nothing follows.  Also called where nothing was opened."""


class FileOutput:
    """A file, which is not touched before there is something to put into it."""

    takes_errors = False

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: Optional[BinaryIO] = None

    def already(self) -> int:
        """The size of the file, 0 without one."""
        return os.path.getsize(self._path) if os.path.isfile(self._path) else 0

    def open(self, offset: int) -> None:
        """Append behind `offset`, which is all that is there; or begin anew."""
        self._file = open(self._path, "ab" if offset else "wb")

    def write(self, data: bytes) -> None:
        """Append."""
        assert self._file is not None
        self._file.write(data)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class InOrder:
    """Several bodies on one stream, each whole: the first passes straight through, the others wait for their turn."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self._parts: Deque[Part] = deque()

    def part(self) -> Part:
        """A place behind all that were asked for before."""
        part = Part(self)
        self._parts.append(part)
        return part

    def is_first(self, part: Part) -> bool:
        """Whether it is the turn of `part`."""
        return self._parts[0] is part

    def advance(self) -> None:
        """Let go of what is whole; give the next its turn."""
        while self._parts and self._parts[0].is_whole:
            self._parts.popleft()
            if self._parts:
                self._parts[0].release()
        self.stream.flush()


class Part:
    """One body of several on the same stream."""

    takes_errors = True

    def __init__(self, order: InOrder) -> None:
        self.is_whole = False
        self._order = order
        self._waiting: Optional[IO[bytes]] = None

    def already(self) -> int:
        """Nothing is ever there."""
        return 0

    def open(self, offset: int) -> None:
        """Nothing to do."""

    def write(self, data: bytes) -> None:
        """Pass it through, or keep it for later."""
        if self._order.is_first(self):
            self._order.stream.write(data)
            return
        if self._waiting is None:
            self._waiting = tempfile.SpooledTemporaryFile(IN_MEMORY)
        self._waiting.write(data)

    def release(self) -> None:
        """Write what has waited."""
        if self._waiting is not None:
            self._waiting.seek(0)
            for piece in iter(lambda: self._waiting.read(65536), b""):  # type: ignore[union-attr]
                self._order.stream.write(piece)
            self._waiting.close()
            self._waiting = None

    def close(self) -> None:
        """Whole, or as whole as it will ever be."""
        self.is_whole = True
        self._order.advance()


class Progress:
    """One line on `stream`, if it is a terminal: how much of all long bodies is there, and how fast it comes."""

    def __init__(self, fetches: Sequence[Any], call_later: Callable[..., Any], stream: Optional[IO[str]],
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._fetches = fetches
        self._call_later = call_later
        self._stream = stream
        self._clock = clock
        self._start = clock()
        self._shown = False
        self._timer = call_later(REFRESH, self._draw) if stream is not None and stream.isatty() else None

    def _draw(self) -> None:
        assert self._stream is not None
        line = progress_line(self._fetches, max(self._clock() - self._start, REFRESH))
        if line:
            self._shown = True
            self._stream.write("\r" + line.ljust(78))
            self._stream.flush()
        self._timer = self._call_later(REFRESH, self._draw)

    def clear(self) -> None:
        """Make room for another line."""
        if self._shown and self._stream is not None:
            self._shown = False
            self._stream.write("\r" + " " * 78 + "\r")
            self._stream.flush()

    def close(self) -> None:
        """No more of it."""
        self.clear()
        if self._timer is not None:
            self._timer.cancel()


def progress_line(fetches: Sequence[Any], seconds: float) -> str:
    """What stands on the line, at most 78 characters; nothing while only short bodies are under way."""
    under_way = [fetch for fetch in fetches if fetch.status is None and fetch.received]
    if not any((fetch.expected or fetch.received) >= LONG for fetch in under_way):
        return ""
    received = sum(fetch.received for fetch in under_way)
    text = f"{received / 1e6:.1f} MB"
    if all(fetch.expected for fetch in under_way):
        expected = sum(fetch.expected for fetch in under_way)
        filled = BAR * received // expected
        bar = "#" * filled + "." * (BAR - filled)
        text = f"[{bar}] {100 * received // expected:3}%  {text} of {expected / 1e6:.1f} MB"
    rate = sum(fetch.fresh for fetch in fetches) / seconds / 1e6
    done = sum(fetch.status is not None for fetch in fetches)
    several = f"  {done} of {len(fetches)} done" if len(fetches) > 1 else ""
    return f"{text}  {rate:.1f} MB/s{several}"[:78]
