"""Length-prefixed framing: each message follows its own length in bytes.

Beside lines, the other way to put borders into a stream.  A message may hold
any byte, and its reader knows from the start how much will come.
"""
from __future__ import annotations

from typing import Iterator

PREFIX = 4
LIMIT = 1024 * 1024


class MessageTooLong(ValueError):
    """A prefix announces more bytes than the limit."""


def encode(message: bytes, prefix: int = PREFIX) -> bytes:
    """`message` after its length in `prefix` bytes, big-endian.  Raises OverflowError where they cannot hold it."""
    return len(message).to_bytes(prefix, "big") + message


class PrefixedBuffer:
    """Cut a stream into messages; loops over it behave as those over a `lines.LineBuffer`.

    A prefix above `limit` raises `MessageTooLong` from the loop, once, before
    any byte of that message is awaited and after every good message before it.
    The buffer then drops what it holds and whatever it is fed.
    """

    __slots__ = ("limit", "_prefix", "_data", "_start", "_discarding")

    def __init__(self, limit: int = LIMIT, prefix: int = PREFIX) -> None:
        self.limit = limit
        self._prefix = prefix
        self._data = bytearray()
        self._start = 0  # where the prefix of the first message that is not yet taken begins
        self._discarding = False

    def feed(self, data: bytes) -> None:
        """Append what arrived."""
        if not self._discarding:
            self._data += data

    def __iter__(self) -> Iterator[bytes]:
        """The messages that are complete.  Raises MessageTooLong."""
        while self.pending >= self._prefix:
            body = self._start + self._prefix
            end = body + self._length(body)
            if end > len(self._data):
                break
            self._start = end
            yield bytes(self._data[body:end])
        del self._data[:self._start]
        self._start = 0

    def _length(self, body: int) -> int:
        length = int.from_bytes(self._data[self._start:body], "big")
        if length > self.limit:
            self._data.clear()
            self._start = 0
            self._discarding = True
            raise MessageTooLong(f"a message of {length} bytes is announced; the limit is {self.limit}")
        return length

    @property
    def pending(self) -> int:
        """How many bytes have arrived and not been taken: at end of input, above 0 means a message was cut short."""
        return len(self._data) - self._start
