"""What the reactor does about what the kernel does: one special problem each, first without care, then with.

    python3 -m demos.lessons.problems                # the list
    python3 -m demos.lessons.problems stale_event    # one of them
"""
from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import sys
import time
from typing import Any, Iterator, List, Sequence

from protocols.base import Protocol, Transport
from protocols.echo import Echo
from reactor import Reactor, listener, loop, transport
from reactor.testing import pair, run_turns

from .kernel import unread_input as naive_close
from .showing import HERE, main, outcome, read_all

try:
    import fcntl
    import resource
except ImportError:
    pass  # Windows, where the problems of descriptor numbers are others


class Speaker(Protocol):
    """Says something at once, and closes: the kernel's and the reactor's part in that is what is looked at."""

    def __init__(self, text: bytes, close: bool = False) -> None:
        self._text = text
        self._close = close

    def connection_made(self, transport: Transport) -> None:
        transport.write(self._text)
        if self._close:
            transport.close()


class Notes(List[str]):
    """An observer that keeps the sentences of some kinds of events."""

    def __init__(self, reactor: Reactor, *kinds: str) -> None:
        super().__init__()
        self._kinds = kinds
        reactor.observer = self._note

    def _note(self, event: Any) -> None:
        if event.kind in self._kinds:
            self.append(str(event))


def partial_send() -> Iterator[str]:
    """The kernel takes a part of what is written; the queue keeps the rest, in order."""
    ours, peer = pair(buffer=4096)
    with Reactor() as reactor, peer:
        notes = Notes(reactor, "partly sent", "queued", "blocked", "sent")
        reactor.adopt(lambda: Speaker(b"partial send " * 1600), ours)
        got = 0
        while got < 20800:
            run_turns(reactor)
            got += len(peer.recv(100000))
        yield from notes
        yield f"the peer has {got:,} bytes"


def stale_event() -> Iterator[str]:
    """Two sockets are ready in one turn; the first one's callback closes the second and reuses its number."""
    first, first_peer = socket.socketpair()
    second, second_peer = socket.socketpair()
    with first, first_peer, second_peer:
        first_peer.send(b"x")
        second_peer.send(b"meant for the second")
        ready = select.select([first.fileno(), second.fileno()], [], [], 1)[0]
        number = second.fileno()
        second.close()
        third, third_peer = socket.socketpair()
        with third, third_peer:
            yield f"select answered {ready}; the second, {number}, was closed, and a new socket is {third.fileno()}"
            third.setblocking(False)
            yield f"who trusts the number, reads from the new one: {outcome(lambda: third.recv(100))}"
    yield from _stale_event_here()


def _stale_event_here() -> Iterator[str]:
    (first, first_peer), (second, second_peer) = pair(), pair()
    called: List[str] = []
    new: List[socket.socket] = []
    with Reactor() as reactor, first, first_peer, second_peer:
        def on_first() -> None:
            first.recv(100)
            second_watcher.cancel()
            second.close()
            new.extend(pair())
            watchers.append(reactor.add_reader(new[0], called.append, "the third"))

        watchers = [reactor.add_reader(first, on_first)]
        second_watcher = reactor.add_reader(second, called.append, "the second")
        first_peer.send(b"x")
        second_peer.send(b"meant for the second")
        reactor.turn(0)
        yield f"the reactor, in that turn, called for the second's number: {called or 'nobody'}"
        for sock in new:
            sock.close()
        for watcher in watchers:
            watcher.cancel()


def spurious_readiness() -> Iterator[str]:
    """select said readable, and there is nothing to read: another process, here another descriptor, was first."""
    ours, peer = pair()
    thief = ours.dup()
    with Reactor() as reactor, peer, thief:
        notes = Notes(reactor, "blocked")
        reactor.adopt(Echo, ours)
        run_turns(reactor)

        def select_and_be_late(*lists: Any) -> Any:
            answer = select.select(*lists)
            thief.recv(100)
            return answer

        reactor.select = select_and_be_late
        peer.send(b"hello")
        reactor.turn(0)
        reactor.select = select.select
        yield from notes
        yield "a blocking socket would sleep in that recv, and the whole server with it; this one waits for select"
        peer.send(b"again")
        run_turns(reactor)
        yield f"and goes on: {peer.recv(100)!r} came back"


def out_of_descriptors() -> Iterator[str]:
    """EMFILE: accept() has no descriptor left; the client stays in the backlog, so the listener stays readable."""
    if "resource" not in globals():
        yield "this system has no limit of descriptors that one could lower"
        return
    with Reactor() as reactor, socket.socket() as naive, socket.socket() as client, socket.socket() as other:
        naive.bind((HERE, 0))
        naive.listen()
        naive.setblocking(False)
        ours = reactor.listen(Echo)
        client.connect(naive.getsockname())
        other.connect((HERE, ours.port))
        with lowered_limit():
            tries, end = 0, time.monotonic() + 0.1
            while time.monotonic() < end and select.select([naive], [], [], 0.1)[0]:
                said = outcome(naive.accept)
                tries += 1
            yield f"an accept loop without care: {tries * 10:,} tries a second, each {said}"
            turns, end = 0, time.monotonic() + 0.1
            with warnings_as_lines() as lines:
                while time.monotonic() < end:
                    reactor.turn(max(0.0, end - time.monotonic()))
                    turns += 1
            yield f"the reactor: {turns} turns in 0.1 s, and one line in the log"
            yield from lines
        reactor.run(until=lambda: ours.connections == 1)
        yield "there are descriptors again, and within a second the client is in"


@contextlib.contextmanager
def lowered_limit() -> Iterator[None]:
    """No descriptor can be opened while inside."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.dup(0)  # the lowest number that is free
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[List[str]]:
    """What the reactor logs meanwhile, in a list instead of on stderr."""
    lines: List[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(f"{record.levelname}: {record.getMessage()}")  # type: ignore
    log = logging.getLogger("reactor")
    log.addHandler(handler)
    before, log.propagate = log.propagate, False
    try:
        yield lines
    finally:
        log.propagate = before
        log.removeHandler(handler)


def half_close() -> Iterator[str]:
    """A client that sends no more still listens: end of file is not goodbye."""
    ours, peer = pair()
    with Reactor() as reactor, peer:
        notes = Notes(reactor, "received", "ended", "sent", "closing", "closed")
        reactor.adopt(Echo, ours)
        peer.send(b"hello")
        peer.shutdown(socket.SHUT_WR)
        run_turns(reactor)
        yield from notes
        yield f"the peer reads {peer.recv(100)!r} and then {peer.recv(100)!r}"


def descriptor_too_high() -> Iterator[str]:
    """FD_SETSIZE: select() cannot hold descriptors from 1024 on, so a listener rests before they get so high."""
    yield f"this process: select holds {listener.FD_SETSIZE}, ulimit -n is {listener.DESCRIPTORS:,}"
    yield f"a listener rests when the next client's descriptor would be {listener.CEILING} or more"
    if "resource" not in globals():
        return
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Reactor() as reactor, open(os.devnull) as file:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(2000, before[1]), before[1]))
            high = fcntl.fcntl(file.fileno(), fcntl.F_DUPFD, 1024)
            yield f"watched all the same: {outcome(lambda: reactor.add_reader(high, print))}"
            os.close(high)
        except (OSError, ValueError) as exc:
            yield f"this system does not let us have a descriptor from 1024 on: {exc}"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)


def unread_input() -> Iterator[str]:
    """Reset after unread input: close() would destroy the answer, so the reactor half-closes and reads first."""
    yield from (f"plain sockets: {line}" for line in naive_close() if "not read" in line)
    with Reactor() as reactor, socket.socket() as client:
        notes = Notes(reactor, "half-closed", "closed")
        listener = reactor.listen(lambda: Speaker(bytes(1000000), close=True))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(5)
        client.connect((HERE, listener.port))
        client.send(b"something to read.")
        results: List[Sequence[object]] = []

        def read() -> Sequence[object]:
            got = read_all(client)
            client.close()  # as a client does that has read end of file: we are waiting for it
            return got

        reactor.call_in_thread(read, results.append)
        reactor.run(until=lambda: bool(results) and len(reactor.endpoints) == 1)
        yield f"the reactor: the peer gets {results[0][0]:,}, then {results[0][1]}"
        yield from notes


def slow_callback() -> Iterator[str]:
    """A callback that takes its time stops everybody; the trace names it, a thread is the cure."""
    with Reactor() as reactor:
        for how in ("in a callback", "in a thread"):
            beats: List[float] = []
            started = time.monotonic()

            def beat() -> None:
                beats.append(time.monotonic() - started)
                if len(beats) < 5:
                    reactor.call_later(0.05, beat)

            notes = Notes(reactor, "ran")
            beat()
            if how == "in a thread":
                reactor.call_in_thread(far_look_up, repr)
            else:
                reactor.call_soon(far_look_up)
            reactor.run(until=lambda: len(beats) == 5)
            reactor.observer = None
            yield f"0.2 s of waiting, {how}: a timer of 50 ms beats at " + ", ".join(f"{at:.2f}" for at in beats) + " s"
            yield from (note for note in notes if "far_look_up" in note)


def far_look_up() -> None:
    """Takes as long as a name server that is far away."""
    time.sleep(0.2)


def push() -> Iterator[str]:
    """A server speaks first: a timer wakes the loop, its callback writes, and nobody had to ask."""
    ours, peer = pair()
    with Reactor() as reactor, peer:
        server, _ = reactor.adopt(Protocol, ours)
        run_turns(reactor)
        notes = Notes(reactor, "turn", "timer set", "timer fired", "sent")
        reactor.call_later(0.05, server.write, b"the time has come")
        reactor.turn()
        reactor.observer = None
        yield from notes
        yield f"the peer, which never said a word, reads {peer.recv(100)!r}"


def windows() -> Iterator[str]:
    """What differs on Windows, and what this reactor does here."""
    yield f"this system is {sys.platform}"
    yield f"at most so many are watched: {listener.FD_SETSIZE} ({'sockets' if loop.WINDOWS else 'the number counts'})"
    yield f"the longest sleep in select(): {loop.ASLEEP or 'no limit'} (on Windows 0.5 s, or Ctrl-C would wait)"
    yield f"connecting sockets are in the third list too: {'yes' if loop.WINDOWS else 'no'} (on Windows yes)"
    yield f"SO_REUSEADDR is set: {'no' if loop.WINDOWS else 'yes'} (on Windows no: it would let others take the port)"
    most = transport.MOST_OFFERED
    yield f"offered to one send: {'all' if most == sys.maxsize else most} (on Windows 131,072 bytes at most)"


EXPERIMENTS = {experiment.__name__: experiment for experiment in (
    partial_send, stale_event, spurious_readiness, out_of_descriptors, half_close, descriptor_too_high,
    unread_input, slow_callback, push, windows)}

if __name__ == "__main__":
    main("problems", EXPERIMENTS)
