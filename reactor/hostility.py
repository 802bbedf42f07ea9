"""A kernel on its worst day: what it does to each connection, decided by a seed beforehand.

To be imported from reactor.testing, where HostileSocket puts a socket into its hands.
"""
from __future__ import annotations

import errno
import itertools
import os
import random
import socket
from typing import Any, Callable, Optional


class Hostility:
    """A kernel on its worst day, which is the same day for the same seed, on every Python.

    Every stream is cut anywhere, in pieces of 1 to `most` bytes, both ways.  Before such a piece the kernel says "not
    now" with the chance `not_now`, although select said ready (never to a blocking socket).  After `ends_at`
    bytes a stream ends, after `resets_at` bytes, in either direction, it is reset.

    Where it cuts is decided by the seed, the number of the connection and the place in the stream alone, so
    no timing can change it.
    """

    def __init__(self, seed: int, *, most: int = 100, not_now: float = 0.2, ends_at: Optional[int] = None,
                 resets_at: Optional[int] = None) -> None:
        self.seed = seed
        self.most = most
        self.not_now = not_now
        self.ends_at = ends_at
        self.resets_at = resets_at
        self._numbers = itertools.count()

    def towards_next(self) -> Whims:
        """What it does to the next connection."""
        return Whims(self, self.seed * 2 ** 20 + 2 * next(self._numbers))


class _Direction:
    """One direction of a stream: its next cut, and whether the kernel refuses before it."""

    def __init__(self, hostility: Hostility, seed: int) -> None:
        self._random = random.Random(seed).random  # the one method that all versions agree on
        self._hostility = hostility
        self._left = 0  # until the next cut
        self._refuses = False
        self.total = 0

    def room(self, sock: Any, size: int) -> int:
        if not self._left:
            self._left = 1 + int(self._random() * self._hostility.most)
            self._refuses = self._random() < self._hostility.not_now
        refuses, self._refuses = self._refuses, False
        if refuses and sock.gettimeout() == 0.0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return min(size, self._left)

    def moved(self, count: int) -> None:
        self.total += count
        self._left -= count


class Whims:
    """What a hostile kernel does to one connection, or to one listener, whose bytes are its clients."""

    def __init__(self, hostility: Hostility, seed: int) -> None:
        self._ends_at, self._resets_at = hostility.ends_at, hostility.resets_at
        self._inward, self._outward = _Direction(hostility, seed), _Direction(hostility, seed + 1)

    def receive(self, sock: Any, size: int, call: Callable[[int], Any], nothing: Any) -> Any:
        """As call(size), which is recv or the like, and answers with bytes or how many; `nothing` is end of file."""
        bounds = [bound - self._inward.total for bound in (self._ends_at, self._resets_at) if bound is not None]
        self._reset_where_due()
        if self._ends_at is not None and self._inward.total >= self._ends_at:
            return nothing
        answer = call(min([self._inward.room(sock, size), *bounds]))
        self._inward.moved(answer if isinstance(answer, int) else len(answer))
        if self._inward.total in (self._ends_at, self._resets_at):
            _wake(sock)
        return answer

    def send(self, sock: Any, size: int, call: Callable[[int], int]) -> int:
        """As call(size), which is send or the like, and answers with how many bytes were taken."""
        self._reset_where_due()
        room = self._outward.room(sock, size)
        taken = call(room if self._resets_at is None else min(room, self._resets_at - self._outward.total))
        self._outward.moved(taken)
        if self._outward.total == self._resets_at:
            _wake(sock)
        return taken

    def accept(self, sock: Any, call: Callable[[], Any]) -> Any:
        """As call(), which is accept."""
        self._inward.room(sock, 1)
        answer = call()
        self._inward.moved(1)
        return answer

    def _reset_where_due(self) -> None:
        if self._resets_at is not None and max(self._inward.total, self._outward.total) >= self._resets_at:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


def _wake(sock: Any) -> None:
    # select shall find it ready, as it would if the peer had ended it.
    try:
        sock.shutdown(socket.SHUT_RD)
    except OSError:
        pass  # the peer has ended it
