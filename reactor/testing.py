"""For tests, yours and ours: no sleeps, no ports, no luck.

    ours, peer = pair()                # a connection without a network
    reactor.adopt(Echo, ours)
    peer.send(b"hello")
    run_turns(reactor)                 # as many as it takes, and not one more
    assert peer.recv(100) == b"hello"

`pair()` makes the two ends, `FakeClock` the time, `ScriptedSocket` a kernel that says what the test
wants to hear, `FaultySocket` a real socket of which one chosen call goes wrong, `HostileSocket` one on which
nothing ever goes smoothly.  `sweep_faults` and `sweep_hostility` try a protocol on all of these;
`RecordingTransport` and `split_everywhere` (checking.py) need no socket at all.  tests/README.md is the tutorial.
"""
from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
import select
import socket
from collections import deque
from typing import Any, Callable, Deque, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from .checking import RecordingTransport, split_everywhere
from .errors import PEER_GONE
from .hostility import Hostility, Whims
from .loop import EventLoop
from .reactor import Reactor

__all__ = ["FakeClock", "Faults", "FaultySocket", "HostileSocket", "Hostility", "RecordingTransport", "ScriptedSocket",
           "Whims", "converse", "pair", "run_turns", "split_everywhere", "sweep_faults", "sweep_hostility"]

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
        """As the socket's; no system refuses it to a healthy socket, so where the fault strikes it is done first."""
        self._sock.shutdown(how)
        self._faults.strikes()


class HostileSocket:
    """A real socket in the hands of a hostile kernel, and so is what it accepts; all else is the socket's own."""

    def __init__(self, sock: socket.socket, hostility: Hostility) -> None:
        self._sock = sock
        self._hostility = hostility
        self._whims = hostility.towards_next()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, size: int) -> bytes:
        """As the socket's, but cut."""
        data: bytes = self._whims.receive(self._sock, size, self._sock.recv, b"")
        return data

    def send(self, data: bytes) -> int:
        """As the socket's, but cut."""
        return self._whims.send(self._sock, len(data), lambda size: self._sock.send(data[:size]))

    def accept(self) -> Tuple[Any, Any]:
        """As the socket's, if the kernel is in the mood."""
        sock, peer = self._whims.accept(self._sock, self._sock.accept)
        return HostileSocket(sock, self._hostility), peer


# -- whole conversations

Make = Callable[[Reactor], Any]  # makes a protocol
FAULTS: Sequence[Union[int, str]] = (errno.EAGAIN, "one byte", errno.ENOBUFS, errno.ECONNRESET, errno.EPIPE)


class _Peer:
    """The other end: sends what it has, half-closes, reads until the end."""

    def __init__(self, sock: socket.socket, sends: bytes, half_closes: bool) -> None:
        self._sock = sock
        self._sends = memoryview(sends)
        self._half_closes = half_closes
        self.received = b""
        self.over = False

    def play(self) -> bool:
        """As far as it goes; True once it is over."""
        for step in (self._send, self._receive):
            try:
                step()
            except BlockingIOError:
                pass  # later
            except OSError:
                self._sends = self._sends[:0]
                self.over = step == self._receive
        return self.over

    def _send(self) -> None:
        while self._sends:
            self._sends = self._sends[self._sock.send(self._sends):]
        if self._half_closes:
            self._half_closes = False
            self._sock.shutdown(socket.SHUT_WR)

    def _receive(self) -> None:
        while not self.over:
            data = self._sock.recv(1500)
            self.received += data
            self.over = not data


def converse(make: Make, sends: bytes, wrap: Callable[[socket.socket], Any] = lambda sock: sock,
             half_close: bool = True) -> bytes:
    """Play a peer that sends `sends` to the protocol `make(reactor)`, and half-closes; what it got until the end.

    All runs in one thread, on a clock that jumps when nothing else can happen.  `wrap` may put a bad kernel
    between the socket and the reactor.  AssertionError where it never ends, where the protocol raises, where
    connection_lost is not called exactly once, or where anything is still open or watched.
    """
    clock = FakeClock()
    ours, theirs = pair(buffer=1)
    theirs.setblocking(False)
    with _complaints() as raised, theirs, ours, Reactor(clock=clock, select=clock.select) as reactor:
        watched = len(reactor._readers)
        _, witness = reactor.adopt(lambda: _Witness(make(reactor)), wrap(ours))
        peer = _Peer(theirs, sends, half_close)
        assert _play(reactor, peer, clock), "it never ends"
        left = len(reactor._readers) + len(reactor._writers) - watched
    assert not raised, raised[0]
    assert witness.ends == 1 and not left, f"connection_lost was called {witness.ends} times, {left} watchers are left"
    return peer.received


class _Witness:
    """A protocol, and how often connection_lost was called."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self.ends = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        self.ends += 1
        self._protocol.connection_lost(exc)


@contextlib.contextmanager
def _complaints() -> Iterator[List[str]]:
    """What the reactor logs as errors meanwhile: an observer would hear of it too, and halve the speed."""
    lines: List[str] = []
    handler = logging.Handler(logging.ERROR)
    setattr(handler, "emit", lambda record: lines.append(record.getMessage()))
    logger = logging.getLogger("reactor")
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


def _play(reactor: Reactor, peer: _Peer, clock: FakeClock) -> bool:
    # True once both ends are done.
    quiet = 0
    for _ in range(100000):
        if peer.play() and not reactor.endpoints:
            return True
        quiet = 0 if reactor.turn(0) or reactor._soon else quiet + 1
        if quiet == 2:  # the peer has played in between
            timer, quiet = reactor._timers.first(), 0
            if timer is None:
                return False
            clock.now = max(clock.now, timer.when())
    return False


def sweep_faults(make: Make, sends: bytes, half_close: bool = True) -> int:
    """Hold that conversation again and again, another system call going wrong each time; how often.

    However it goes wrong, the peer must get what it gets when nothing does, or the beginning of it where the
    connection was lost.  AssertionError, which names the call and the fault, where it does not, and as in converse().
    """
    whole, runs = converse(make, sends, half_close=half_close), 0
    for fault in FAULTS:
        for nth in itertools.count(1):
            faults = Faults(nth, fault)
            with _named(f"{fault if isinstance(fault, str) else errno.errorcode[fault]} in call {nth}"):
                got = converse(make, sends, lambda sock: FaultySocket(sock, faults), half_close)
                lost = fault in PEER_GONE
                assert whole.startswith(got) if lost else got == whole, f"{got!r} instead of {whole!r}"
            runs += 1
            if not faults.fired:
                break
    return runs


def sweep_hostility(make: Make, sends: bytes, seeds: Iterable[int] = range(100), half_close: bool = True) -> int:
    """Hold that conversation with each seed's hostile kernel; how often.  The peer must get what it always gets."""
    whole, runs = converse(make, sends, half_close=half_close), 0
    for seed in seeds:
        with _named(f"hostile seed {seed}"):
            hostility = Hostility(seed, most=(1, 7, 100, 5000)[seed % 4])
            got = converse(make, sends, lambda sock: HostileSocket(sock, hostility), half_close)
            assert got == whole, f"{got!r} instead of {whole!r}"
        runs += 1
    return runs


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Say of an AssertionError in which run it came."""
    try:
        yield
    except AssertionError as exc:
        raise AssertionError(f"{name}: {exc}") from exc
