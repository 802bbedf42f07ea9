"""What the kernel has not taken yet: the outbound queue of one socket.

A queue of immutable chunks, never one growing buffer: the front can be offered to the
kernel as a view while more is appended, and nothing large is ever copied.  A chunk may also be
a part of a file, which goes from the disk's cache to the socket without passing through Python.
"""
from __future__ import annotations

import errno
import os
import socket
from collections import deque
from typing import Deque, Union

# Chunks below SMALL are joined to at most JOINED bytes, so that many small writes leave in one
# system call.  A larger one is worth a call of its own, and copying it would cost more.
SMALL, JOINED = 16 * 1024, 64 * 1024


class FileSlice:
    """`size` bytes of an open file.  It has a descriptor of its own, until close()."""

    __slots__ = ("_fd", "_offset", "_size")

    def __init__(self, fd: int, offset: int, size: int) -> None:
        self._fd = os.dup(fd)
        self._offset = offset
        self._size = size

    def __len__(self) -> int:
        return self._size

    def send(self, sock: socket.socket) -> int:
        """As socket.send of these bytes.  OSError where the file has become shorter than that."""
        if hasattr(os, "sendfile"):
            taken = os.sendfile(sock.fileno(), self._fd, self._offset, self._size)
        else:
            os.lseek(self._fd, self._offset, os.SEEK_SET)
            taken = sock.send(os.read(self._fd, min(self._size, JOINED)))
        if not taken:
            raise OSError(errno.EIO, "the file became shorter while it was sent")
        return taken

    def advance(self, count: int) -> None:
        """Leave out the first `count` bytes."""
        self._offset += count
        self._size -= count

    def close(self) -> None:
        """Give the descriptor back.  Twice is once."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


Data = Union[bytes, bytearray, memoryview]
Chunk = Union[bytes, memoryview, FileSlice]


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
            pieces, size = [], 0
            for chunk in chunks:
                size += len(chunk)
                if isinstance(chunk, FileSlice) or size > JOINED:
                    break
                pieces.append(chunk)
            if len(pieces) > 1:
                for _ in pieces:
                    chunks.popleft()
                chunks.appendleft(b"".join(pieces))
        return chunks[0]

    def took(self, count: int) -> None:
        """The kernel took `count` bytes of head(); the rest of it stays the head."""
        self.size -= count
        head = self._chunks[0]
        if count == len(head):
            self._chunks.popleft()
            _close(head)
        elif isinstance(head, FileSlice):
            head.advance(count)
        elif count:
            self._chunks[0] = memoryview(head)[count:]

    def close(self) -> None:
        """Forget everything."""
        for chunk in self._chunks:
            _close(chunk)


def _close(chunk: Chunk) -> None:
    if isinstance(chunk, FileSlice):
        chunk.close()


def immutable(data: Data) -> bytes:
    """The same bytes, which nobody can change any more.  TypeError for anything else."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"a transport takes bytes, not {type(data).__name__}: did you mean data.encode()?")
    return bytes(data)
