"""Bulk transfer: a sender that never has more in its queue than it must, and a sink that checks what arrives.

    sender                                receiver
    foobar\\n foobar\\n foobar\\n ...   -->
    end of file                       -->
                                      <-- 7340032 bytes, sha256 ...
                                      <-- end of file

Both count and digest what passes, and tell a callback after each step; what is
shown of it is the callback's affair.
"""
from __future__ import annotations

import hashlib
from typing import Callable, Optional

from .base import CallLater, Cancellable, Protocol, Transport
from .lines import LineBuffer, LineTooLong

LINE = b"foobar\n"
TOTAL = len(LINE) * 1024 * 1024
PIECE = 64 * 1024


def verdict(size: int, hexdigest: str) -> str:
    """What the receiver says of `size` bytes, and the sender hopes to hear."""
    return f"{size} bytes, sha256 {hexdigest}"


def _nothing(_: object) -> None:
    """The progress callback where none is given."""


class BulkSender(Protocol):
    """Send `line` over and over, `total` bytes in all, then half-close and wait for the receiver's verdict.

    One piece of at most 64 KiB is written in each turn, so that the loop stays
    free for others, and none while writing is paused.  `on_progress(self)` is
    called after each piece (`paused` tells whether it was one too many) and when
    writing resumes, `on_end(self)` once, when the connection is gone.
    """

    def __init__(self, *, call_later: CallLater, total: int = TOTAL, line: bytes = LINE,
                 on_progress: Callable[[BulkSender], None] = _nothing,
                 on_end: Callable[[BulkSender], None] = _nothing) -> None:
        self.total = total
        self.written = 0  # bytes handed to the transport
        self.pauses = 0  # how often the queue rose above the high-water mark
        self.paused = False
        self.verdict: Optional[str] = None  # the receiver's first line, once it is here
        self.error: Optional[BaseException] = None  # why the connection was lost, where it did not just end
        self._call_later = call_later
        # Whole lines, so that one piece follows another without a seam.
        self._piece = line * max(1, PIECE // len(line))
        self._digest = hashlib.sha256()
        self._answer = LineBuffer()
        self._next: Optional[Cancellable] = None
        self._on_progress = on_progress
        self._on_end = on_end

    @property
    def remaining(self) -> int:
        """Bytes that are still ours: not yet written, or queued because the kernel had no room."""
        return self.total - self.written + self._transport.get_write_buffer_size()

    @property
    def verified(self) -> bool:
        """True once the receiver has confirmed count and digest of all bytes."""
        return self.written == self.total and self.verdict == verdict(self.total, self._digest.hexdigest())

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """The verdict, or whatever the far side says instead: its first line ends the transfer either way."""
        self._answer.feed(data)
        try:
            line = next(iter(self._answer), None)
        except LineTooLong as exc:
            line = str(exc).encode()
        if line is not None:
            self.verdict = line.decode("utf-8", "replace")
            if self.remaining:
                self._transport.abort()
            else:
                self._transport.close()

    def pause_writing(self) -> None:
        self.paused = True
        self.pauses += 1

    def resume_writing(self) -> None:
        self.paused = False
        self._on_progress(self)
        self._send_soon()

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        self.error = exc
        if self._next is not None:
            self._next.cancel()
        self._on_end(self)

    def _send(self) -> None:
        self._next = None
        if self._transport.is_closing():
            return
        piece = self._piece[:self.total - self.written]
        self.written += len(piece)
        self._digest.update(piece)
        self._transport.write(piece)
        self._on_progress(self)
        if self.written == self.total:
            self._transport.write_eof()
        elif not self.paused:
            self._send_soon()

    def _send_soon(self) -> None:
        if self._next is None and self.written < self.total:
            self._next = self._call_later(0, self._send)


class BulkReceiver(Protocol):
    """A sink: count and digest what arrives; at end of file answer one line, `N bytes, sha256 HEX`, and close.

    With `rate`, no more than so many bytes a second are read, on average: each
    read is followed by the pause that it costs.  The kernel's buffers then fill,
    and the sender meets partial sends and EAGAIN.  `on_progress(self)` is called
    after each read, `on_end(self)` once, when the connection is gone.
    """

    def __init__(self, *, call_later: CallLater, rate: Optional[float] = None,
                 on_progress: Callable[[BulkReceiver], None] = _nothing,
                 on_end: Callable[[BulkReceiver], None] = _nothing) -> None:
        self.received = 0
        self.verdict: Optional[str] = None  # what was answered, once the end was reached
        self.error: Optional[BaseException] = None  # why the connection was lost, where it did not just end
        self._call_later = call_later
        self._rate = rate
        self._digest = hashlib.sha256()
        self._resume: Optional[Cancellable] = None
        self._on_progress = on_progress
        self._on_end = on_end

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self._digest.update(data)
        if self._rate:
            self._transport.pause_reading()
            self._resume = self._call_later(len(data) / self._rate, self._transport.resume_reading)
        self._on_progress(self)

    def eof_received(self) -> None:
        self.verdict = verdict(self.received, self._digest.hexdigest())
        self._transport.write(self.verdict.encode() + b"\r\n")

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        self.error = exc
        if self._resume is not None:
            self._resume.cancel()
        self._on_end(self)
