"""For tests, yours and ours: no sleeps, no ports, no luck.

    ours, peer = pair()                # a connection without a network
    reactor.adopt(Echo, ours)
    peer.send(b"hello")
    run_turns(reactor)                 # as many as it takes, and not one more
    assert peer.recv(100) == b"hello"

`pair()` makes the two ends, `FakeClock` the time, `ScriptedSocket` a kernel that says what the test
wants to hear, `FaultySocket` a real socket of which one chosen call goes wrong.
"""
from __future__ import annotations

import os
import select
import socket
from collections import deque
from typing import Any, Callable, Deque, List, Optional, Sequence, Tuple, Union

from .loop import EventLoop

Answer = Union[bytes, int, Exception]


def pair(buffer: Optional[int] = None) -> Tuple[socket.socket, socket.socket]:
    """Two connected stream sockets: one to adopt, one to play the peer with (its calls give up after a second).

    `buffer` asks for small kernel buffers (bytes; the system rounds up), which makes partial sends certain.
    """
    ours, peer = socket.socketpair()
    if buffer is not None:
        for sock in (ours, peer):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    ours.setblocking(False)
    peer.settimeout(1.0)
    return ours, peer


def run_turns(loop: EventLoop, until: Optional[Callable[[], bool]] = None, at_most: int = 1000) -> int:
    """Make turns that do not sleep, until `until()` holds, or else until nothing is left to do; how many.

    AssertionError after `at_most` turns: what was waited for does not happen, or the loop spins.
    """
    quiet = 0  # the last callback of a turn may have made another socket ready, so one quiet turn proves nothing
    for made in range(at_most):
        if until() if until is not None else quiet == 2:
            return made
        quiet = 0 if loop.turn(0) or loop._soon else quiet + 1
    raise AssertionError(f"after {at_most} turns it is still not over")


class FakeClock:
    """A clock that the test moves: Reactor(clock=clock, select=clock.select) never sleeps.

    Where select would sleep, the clock jumps to the end of the sleep instead.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass; what is due then runs in the next turn."""
        self.now += seconds

    def select(self, readers: Sequence[int], writers: Sequence[int], third: Sequence[int],
               timeout: Optional[float]) -> Any:
        """As select.select, in no time."""
        answer = select.select(readers, writers, third, 0)
        if timeout is not None and not any(answer):
            self.now += timeout
        return answer


class ScriptedSocket:
    """A socket on which select always finds both readable and writable, and whose calls answer from a script.

    Each recv or send takes the next answer: bytes are received, a number is how many bytes send
    takes (never more than offered), an exception is raised.  After the script recv and send
    raise BlockingIOError.  `sent` is what was taken, `calls` what was called.
    """

    family = socket.AF_INET

    def __init__(self, *script: Answer) -> None:
        self.script: Deque[Answer] = deque(script)
        self.sent = b""
        self.calls: List[str] = []
        self._sock, peer = socket.socketpair()
        peer.close()  # end of file is readable for ever, and nothing is ever written

    def _next(self, call: str) -> Any:
        self.calls.append(call)
        answer = self.script.popleft() if self.script else BlockingIOError(11, "the script is over")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def recv(self, size: int) -> bytes:
        """The next answer."""
        data = self._next("recv")
        assert isinstance(data, bytes), f"the program called recv where the script has {data!r}"
        return data

    def send(self, data: bytes) -> int:
        """The next answer."""
        count = self._next("send")
        assert isinstance(count, int), f"the program called send where the script has {count!r}"
        taken = bytes(data[:count])
        self.sent += taken
        return len(taken)

    def shutdown(self, how: int) -> None:
        """Noted in `calls`."""
        self.calls.append("shutdown")

    def close(self) -> None:
        """Noted in `calls`."""
        self.calls.append("close")
        self._sock.close()

    def setblocking(self, flag: bool) -> None:
        """Nothing to do: no call ever blocks."""

    def fileno(self) -> int:
        """A real descriptor, so that select can be asked."""
        return self._sock.fileno()

    def getpeername(self) -> Tuple[str, int]:
        """An address for documentation (RFC 5737)."""
        return "192.0.2.1", 7


class Faults:
    """Which call goes wrong, and how: the `nth` (from 1) of all that sockets with this plan make.

    `fault` is an errno, or "one byte" for a call that moves a single byte.  `fired` tells whether the
    call was reached: sweep nth = 1, 2, ... until it was not, and every call has been tried.
    """

    def __init__(self, nth: int, fault: Union[int, str]) -> None:
        self.nth = nth
        self.fault = fault
        self.calls = 0

    @property
    def fired(self) -> bool:
        """True once the nth call was made."""
        return self.calls >= self.nth

    def strikes(self) -> bool:
        """Count a call; raise the errno if it is this one's turn, or answer True if it shall move one byte."""
        self.calls += 1
        if self.calls == self.nth and isinstance(self.fault, int):
            raise OSError(self.fault, os.strerror(self.fault))
        return self.calls == self.nth


class FaultySocket:
    """A real socket whose recv, send and shutdown follow a plan of faults; all else is the socket's own."""

    def __init__(self, sock: socket.socket, faults: Faults) -> None:
        self._sock = sock
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, size: int) -> bytes:
        """As the socket's, unless the fault strikes."""
        return self._sock.recv(1 if self._faults.strikes() else size)

    def send(self, data: bytes) -> int:
        """As the socket's, unless the fault strikes."""
        return self._sock.send(data[:1] if self._faults.strikes() else data)

    def shutdown(self, how: int) -> None:
        """As the socket's, unless the fault strikes."""
        self._faults.strikes()
        self._sock.shutdown(how)
