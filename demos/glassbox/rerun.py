"""Re-run: feed the recorded answers of the kernel to the program again, and stop where it acts differently.

Theory of operation

1. A real Reactor drives the program's own protocols.  Only its edges are replaced: select, the sockets and the
   clock answer from the recording.  No network is touched.
2. A Script is the recording with a finger on the next event.  A socket that is asked looks at the finger:
   there must be the recorded answer to just this question, else the program has diverged.
3. The reactor's own events are compared with the recorded ones, one by one, and move the finger.  Left out
   are those that depend on the machine and not on the program (UNCOMPARED), and all durations.
4. The clock says the time of the last event.  Timers get the moment that was recorded for them, and fire when the
   recording says so: the real clock was read between two events, so that no comparison would be sure.
5. What the recording does not hold cannot be fed: what another thread or a signal brought, and what
   watchers of the program's own found.  There the re-run ends, the same so far.
"""
from __future__ import annotations

import heapq
import importlib
import inspect
import os
import socket
from argparse import Namespace
from typing import Any, Callable, Dict, Iterator, List, NoReturn, Optional, Tuple

from reactor import Reactor
from reactor.datagram import DatagramTransport
from reactor.listener import Listener
from reactor.timers import Timer, Timers
from reactor.trace import Event

from .words import what, who

UNCOMPARED = {"ran", "raised", "quick look"}
COMPARED = ("who", "connection", "call", "size", "offered", "taken", "left", "depth", "readable", "writable")
LOOSE = 0.1  # seconds by which the delay of a timer may differ: clocks were read between the events


class Stop(BaseException):
    """Ends the re-run from inside any callback; no policy for exceptions may swallow it."""


class Diverged(Stop):
    """The program did something else than was recorded; the sentence says what and where."""


class Over(Stop):
    """The recording ends here, or goes on with what it does not hold."""


class CannotRerun(Stop):
    """This recording cannot be run again, or not with this program; says why in one line."""


class Script:
    """The recorded events, and how far the program has come in them."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._next: Optional[Event] = None
        self._last = Event(0.0, 0, "end", {})
        self.matched = 0

    def peek(self) -> Event:
        """The next event that is compared.  Over at the end."""
        while self._next is None or self._next.kind in UNCOMPARED:
            self._next = next(self._events, None)
            if self._next is None or self._next.kind == "end":
                self._next = None
                raise Over("the recording ends")
        return self._next

    def observe(self, event: Event) -> None:
        """An event of the re-run: it must be the next one recorded."""
        if event.kind in UNCOMPARED:
            return
        recorded = self.peek()
        if _gist(event, recorded) != _gist(recorded, recorded):
            self.diverge(f"the program: {who(event)} {what(event)}")
        self._last, self._next = recorded, None
        self.matched += 1

    def diverge(self, instead: str) -> NoReturn:
        """Stop with one sentence."""
        recorded = self.peek()
        if recorded.facts.get("head", "") is None:
            raise CannotRerun("the program sends files straight from the disk, which no recording holds")
        raise Diverged(f"turn {recorded.turn}: recorded: {who(recorded)} {what(recorded)}; {instead}")

    def expects(self, name: str, *kinds: str) -> Optional[Event]:
        """The next event, if it is one of these kinds and about `name`."""
        event = self.peek()
        return event if event.kind in kinds and event.facts.get("who") == name else None

    def now(self) -> float:
        """The clock: the time of the last event."""
        return self._last.time

    @property
    def turn(self) -> int:
        """The turn that was reached."""
        return self._last.turn


def _gist(event: Event, recorded: Event) -> Tuple[Any, ...]:
    facts = event.facts
    watched = [[name for name, _ in facts[side] if not name.startswith("fd ")]
               for side in ("reading", "writing") if side in facts]
    return (event.kind, watched, *(facts.get(name) for name in COMPARED if name in recorded.facts))


class ScriptedKernel:
    """One socket, whose calls are answered by the script.  The number is a real one, so that select can be asked."""

    family = socket.AF_INET

    def __init__(self, script: Script, name: str, address: Any, make: Callable[[str, Any], ScriptedKernel]) -> None:
        self._script = script
        self._name = name
        self._address = address
        self._make = make  # the socket of an accepted connection
        self._sock = socket.socket()

    # -- what the program asks

    def recv(self, size: int) -> bytes:
        """What was received."""
        event = self._answer("recv", "received", "ended")
        data: bytes = event.facts.get("data", b"")
        if len(data) != event.facts.get("size", 0):
            raise CannotRerun("the recording has no payloads: make it with --record-bytes")
        return data

    def send(self, data: Any) -> int:
        """How much was taken, of the same bytes."""
        event = self._script.expects(self._name, "sent", "partly sent", "blocked", "error")
        if event is None or event.facts.get("call", "send") != "send":
            self._script.diverge(f"the program sent {len(data):,} bytes on {self._name}")
        self._compare(event, data)
        return int(self._answer("send", "sent", "partly sent").facts["taken"])

    def _compare(self, event: Event, data: Any) -> None:
        offered, taken = event.facts.get("offered", len(data)), event.facts.get("data")
        begin = f"turn {event.turn}: recorded a send of"
        if offered != len(data):
            raise Diverged(f"{begin} {offered:,} on {self._name}, the program offered {len(data):,}")
        if taken is not None and bytes(data[:len(taken)]) != taken:
            place = next(place for place, pair in enumerate(zip(taken, data)) if pair[0] != pair[1])
            raise Diverged(f"{begin} {bytes(taken[place:place + 20])!r} at byte {place:,} on {self._name}, "
                           f"the program offered {bytes(data[place:place + 20])!r}")

    def _answer(self, call: str, *kinds: str) -> Event:
        event = self._script.expects(self._name, *kinds, "blocked", "error")
        if event is None or event.facts.get("call", call) != call:
            self._script.diverge(f"the program called {call} on {self._name}")
        if event.kind == "blocked":
            raise BlockingIOError(11, "EAGAIN, as recorded")
        if event.kind == "error":
            raise OSError(event.facts["errno"], os.strerror(event.facts["errno"] or 0))
        return event

    def recvfrom(self, size: int) -> Tuple[bytes, Any]:
        """The datagram that came; not now, where none was recorded here."""
        if not self._script.expects(self._name, "datagram received", "error"):
            raise BlockingIOError(11, "nothing was recorded here")
        event = self._answer("recvfrom", "datagram received")
        return event.facts.get("data", b""), _address(event.facts["peer"])

    def sendto(self, data: bytes, address: Any) -> int:
        """The same datagram must have been sent."""
        event = self._answer("sendto", "datagram sent")
        if event.facts.get("data", data) != data:
            self._script.diverge(f"the program offered {data[:20]!r} ({len(data):,} bytes)")
        return len(data)

    def accept(self) -> Tuple[ScriptedKernel, Any]:
        """The client that came; not now, where none was recorded here."""
        if self._script.expects(self._name, "full"):
            raise OSError(24, self._script.peek().facts["why"])
        event = self._script.expects(self._name, "accepted")
        if event is None:
            raise BlockingIOError(11, "nothing was recorded here")
        peer = _address(event.facts["peer"])
        return self._make(event.facts["connection"], peer), peer

    # -- what has no recorded answer, because it always succeeds

    def fileno(self) -> int:
        """A number that nobody else has."""
        return self._sock.fileno()

    def getsockname(self) -> Any:
        """Where it listens or is bound."""
        return self._address

    getpeername = getsockname

    def setblocking(self, flag: bool) -> None:
        """No call ever blocks."""

    def setsockopt(self, *args: Any) -> None:
        """The recorded kernel had it."""

    def shutdown(self, how: int) -> None:
        """The event that follows is compared."""

    def close(self) -> None:
        """The number is free again."""
        self._sock.close()


def _address(shown: Any) -> Any:
    """An address as sockets have it, of one in words; a path stays one."""
    if not isinstance(shown, str):
        return tuple(shown) if shown else None
    host, _, number = shown.rpartition(":")
    return (host.strip("[]"), int(number)) if host and number.isdecimal() else shown


class ScriptedTimers(Timers):
    """Timers that fire when they were recorded to fire."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self._script = script

    def due(self, now: float, last: int) -> Iterator[Timer]:
        """Those that the recording has here, each known by its moment; each leaves the heap as it is given."""
        while self._script.peek().kind == "timer fired":
            moment = self._script.peek().facts["due"]
            found = [entry for entry in self.heap if entry[2].callback is not None and entry[2].when() == moment]
            if not found:
                self._script.diverge("the program has no timer for that moment")
            self.heap.remove(min(found))
            heapq.heapify(self.heap)
            timer = min(found)[2]
            timer.on_cancel = None
            yield timer


def _numbers(script: Script) -> Iterator[int]:
    """Each endpoint has the number that it had: it is made when the finger is at its beginning."""
    while True:
        facts = script.peek().facts
        number = facts.get("connection", facts.get("who", ""))[1:]
        yield int(number) if number.isdigit() else 0


class ScriptedReactor(Reactor):
    """A Reactor on which everything outside the program comes from a script."""

    def __init__(self, script: Script) -> None:
        super().__init__(select=self._answer, clock=script.now)
        self._script = script
        self.numbers = _numbers(script)  # type: ignore[assignment]
        self._timers = ScriptedTimers(script)
        self._sockets: Dict[str, ScriptedKernel] = {}
        self.observer = script.observe

    def _answer(self, *asked: Any) -> Tuple[List[int], List[int], List[int]]:
        event = self._script.peek()
        if event.kind == "turn":
            raise InterruptedError  # by a signal; the turn begins again
        if event.kind != "ready":
            self._script.diverge("the program calls select")
        return self._numbers(event.facts["readable"]), self._numbers(event.facts["writable"]), []

    def _numbers(self, names: List[str]) -> List[int]:
        for name in names:
            if name not in self._sockets:
                raise Over("a signal or another thread wakes the loop" if name == "the loop" else
                           f"{name} is ready, which is a watcher of the program's own")
        return [self._sockets[name].fileno() for name in names]

    def _socket(self, name: str, address: Any) -> Any:
        made = self._sockets[name] = ScriptedKernel(self._script, name, address, self._socket)
        return made

    # -- the verbs

    def listen(self, factory: Callable[[], Any], host: str = "", port: int = 0, *, unix: Optional[str] = None,
               max_connections: Optional[int] = None) -> Listener:
        """As recorded."""
        event = self._upcoming("listening")
        sockets = [self._socket(event.facts["who"], _address(text)) for text in event.facts["address"].split(", ")]
        return Listener(self, sockets, factory, max_connections)

    def open_datagram(self, factory: Callable[[], Any], local: Any = None, remote: Any = None
                      ) -> Tuple[DatagramTransport, Any]:
        """As recorded."""
        event = self._upcoming("opened")
        sock = self._socket(event.facts["who"], _address(event.facts["address"]))
        transport = DatagramTransport(self, sock, protocol := factory())
        transport.tell("opened", address=event.facts["address"])
        self.call_soon(transport.begin)
        return transport, protocol

    def connect(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not possible: what look-ups in threads answered is not recorded."""
        raise CannotRerun("the program connects to others: only servers can be run again")

    def _upcoming(self, kind: str) -> Event:
        event = self._script.peek()
        if event.kind != kind:
            self._script.diverge("the program opened a socket")
        return event

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Any:
        """A timer; it is due when the recorded one was."""
        event = self._script.peek()
        if event.kind == "timer set":
            delay, recorded = when - self.time(), event.facts["delay"]
            if abs(delay - recorded) > max(LOOSE, LOOSE * recorded):
                raise Diverged(f"turn {event.turn}: recorded a timer in {recorded:.3f} s, "
                               f"the program set one in {delay:.3f} s")
            when = event.facts["due"]
        return super().call_at(when, callback, *args)

    def again(self, factory: Optional[Callable[[], Any]]) -> NoReturn:
        """Turn until the script stops it.  With a factory, open also what the program had opened outside turns."""
        while True:
            event = self._script.peek()
            if event.kind == "turn":
                self.turn()
            elif factory is not None and event.kind == "listening":
                self.listen(factory)
            elif factory is not None and event.kind == "opened":
                self.open_datagram(factory)
            elif factory is not None and event.kind == "adopted":
                self.adopt(factory, self._socket(event.facts["who"], None))
            elif event.kind in ("connecting", "timer set"):
                raise CannotRerun("outside its protocols the recorded program connects or sets timers: only servers "
                                  "can be run again")
            elif event.kind == "found":
                raise CannotRerun("the recording began when others were there already: say which listener you mean, as "
                                  "in --only '#1'")
            else:
                self._script.diverge("the program did nothing there")


def rerun(events: Iterator[Event], header: Dict[str, Any], program: str) -> str:
    """Run it again; why it ended, in words.  Diverged, or CannotRerun where it cannot even begin.

    `program` is MODULE:FACTORY, or empty for the demo that the header names.
    """
    script = Script(events)
    reactor = ScriptedReactor(script)
    try:
        if program:
            reactor.again(factory_of(program, reactor))
        serve_again(header, reactor)
        reactor.again(None)
    except Over as over:
        return f"same: {script.matched:,} events up to turn {script.turn:,}, where {over}"
    finally:
        reactor.observer = None
        reactor.close()


def serve_again(header: Dict[str, Any], reactor: Reactor) -> None:
    """Begin the demo that made the recording, with its arguments."""
    name = str(header.get("program", ""))
    try:
        server = importlib.import_module(f"demos.{name}").SERVER if name.endswith("_server") else None
    except (ImportError, AttributeError):
        server = None
    if server is None:
        raise CannotRerun(f"{name or 'the program'} is no server of demos/: say which protocol, as MODULE:FACTORY")
    options: Namespace = server.options(header.get("arguments", []))
    server.listen(reactor, options)


def factory_of(program: str, reactor: Reactor) -> Callable[[], Any]:
    """MODULE:FACTORY, given what it asks for by name of `call_later`, `time` and `reactor`."""
    module, _, name = program.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
        parameters = inspect.signature(factory).parameters
    except (ImportError, AttributeError, ValueError, TypeError) as exc:
        raise CannotRerun(f"{program} is not a MODULE:FACTORY that can be called: {exc}") from None
    known = {"call_later": reactor.call_later, "time": reactor.time, "reactor": reactor}
    wanted = {name: value for name, value in known.items() if name in parameters}
    return lambda: factory(**wanted)
