"""What the kernel has not taken yet: the outbound queue of one socket.

A queue of immutable chunks, never one growing buffer: the front can be offered to the
kernel as a view while more is appended, and nothing large is ever copied.
"""
from __future__ import annotations

from collections import deque
from typing import Deque, Union

Chunk = Union[bytes, memoryview]

# Chunks below SMALL are joined to at most JOINED bytes, so that many small writes leave in one
# system call.  A larger one is worth a call of its own, and copying it would cost more.
SMALL, JOINED = 16 * 1024, 64 * 1024


class OutboundQueue:
    """Chunks in the order in which they were written, and their exact size in bytes."""

    __slots__ = ("size", "_chunks")

    def __init__(self) -> None:
        self.size = 0
        self._chunks: Deque[Chunk] = deque()

    def append(self, data: Chunk) -> None:
        """Put `data`, which must not be empty and never change, behind the others."""
        self._chunks.append(data)
        self.size += len(data)

    def head(self) -> Chunk:
        """What to offer next: the first chunk, after the small ones at the front were made one."""
        chunks = self._chunks
        if len(chunks) > 1 and len(chunks[0]) < SMALL:
            pieces, size = [chunks.popleft()], SMALL
            while chunks and size + len(chunks[0]) <= JOINED:
                size += len(chunks[0])
                pieces.append(chunks.popleft())
            chunks.appendleft(b"".join(pieces))
        return chunks[0]

    def took(self, count: int) -> None:
        """The kernel took `count` bytes of head(); the rest of it stays the head."""
        self.size -= count
        head = self._chunks[0]
        if count == len(head):
            self._chunks.popleft()
        elif count:
            self._chunks[0] = memoryview(head)[count:]
