"""Line framing: bytes in, lines out.

TCP carries a stream of bytes and keeps no borders: one line may arrive in ten
pieces, ten lines in one.  A `LineBuffer` puts the borders back.  It does no
I/O, so that it is tested with bytes alone.
"""
from __future__ import annotations

from typing import Iterator

LIMIT = 8 * 1024


class LineTooLong(ValueError):
    """A line is longer than the limit, whether or not its end has been seen."""


class LineBuffer:
    """Cut a stream into lines that end with LF or CRLF; a CR elsewhere is part of its line.

        lines.feed(data)
        for line in lines:
            ...

    Each line is taken out before it is handed over, without its ending.  So a
    loop may stop after any line and a later one goes on with the next; and a
    loop body that feeds and loops again, by whatever detour, meets each line
    once and in order.

    A line of more than `limit` bytes, its ending apart, raises `LineTooLong`
    from the loop, once, after every good line before it.  Where the next line
    would begin nobody can say, so the buffer then discards: see `discard`.
    Between a loop that ran to its end and the next `feed`, at most `limit` + 1
    bytes are held.
    """

    __slots__ = ("limit", "_data", "_start", "_searched", "_skip_lf", "_discarding")

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._data = b""
        self._start = 0  # where the first line that is not yet taken begins
        self._searched = 0  # no LF between _start and here, so that no byte is searched twice
        self._skip_lf = False  # take_rest() met a CR: its LF may still come
        self._discarding = False

    def feed(self, data: bytes) -> None:
        """Append what arrived."""
        if self._discarding:
            return
        if self._skip_lf and data:
            self._skip_lf = False
            if data.startswith(b"\n"):
                data = data[1:]
        self._data += data

    def __iter__(self) -> Iterator[bytes]:
        """The lines that have ended.  Raises LineTooLong."""
        while True:
            end = self._data.find(b"\n", self._searched)
            line = self._line_until(end if end >= 0 else len(self._data))
            if end < 0:
                break
            self._start = self._searched = end + 1
            yield line
        # Here and not in feed(), so that an idle connection does not keep lines long taken.
        self._data = self._data[self._start:]
        self._start, self._searched = 0, len(self._data)

    def _line_until(self, end: int) -> bytes:
        if end > self._start and self._data.endswith(b"\r", self._start, end):
            end -= 1
        if end - self._start > self.limit:
            self.discard()
            raise LineTooLong(f"a line is longer than {self.limit} bytes")
        return self._data[self._start:end]

    @property
    def pending(self) -> int:
        """How many bytes have arrived and not been taken; after a loop that ran to its end, of an unended line."""
        return len(self._data) - self._start

    def take_rest(self) -> bytes:
        """Take the unended line as if it had ended here: at end of input, or after a silence.

        A CR at its end goes with it, and so does the LF of that CR if it is the
        next byte fed.  To be called after a loop that ran to its end.
        """
        rest = self._line_until(len(self._data))
        self._skip_lf = self._data.endswith(b"\r")
        self._data = b""
        self._start = self._searched = 0
        return rest

    def discard(self) -> None:
        """Drop what is held and whatever will be fed: no more lines."""
        self._data = b""
        self._start = self._searched = 0
        self._discarding = True
