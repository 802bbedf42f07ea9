"""What is outside a program that runs again: sockets, select, timers and threads that do as a script says.

A real Reactor drives the program's own protocols; only its edges are replaced.  A socket that is asked something looks
at the script: there must be the recorded answer to just this question, else the program has diverged.
"""
from __future__ import annotations

import errno
import heapq
import os
import re
import socket
import threading
from collections import Counter
from functools import partial
from itertools import islice
from typing import Any, Callable, Dict, Iterator, List, NoReturn, Optional, Tuple

from reactor import Reactor
from reactor.connector import Connector
from reactor.datagram import DatagramTransport
from reactor.endpoint import describe
from reactor.listener import Listener, shown
from reactor.timers import Handle, Timer, Timers
from reactor.trace import Event
from reactor.wakeup import Wakeup

from .script import CannotRerun, Diverged, Over, Script

LOOSE = 0.1  # seconds by which the delay of a timer may differ: clocks were read between the events
LAG = 5  # turns within which the byte that wakes the loop comes after the callback
PATIENCE = 2.0  # seconds for another thread to bring what one had brought


class ScriptedKernel:
    """One socket, whose calls are answered by the script.  The number is a real one, so that select can be asked."""

    family = socket.AF_INET

    def __init__(self, script: Script, sockets: Dict[str, ScriptedKernel], name: str, address: Any) -> None:
        self._script = script
        self._sockets = sockets  # all that are open, by name
        self._name = name
        self._address = address
        self._sock = socket.socket()
        self.rename(name)

    def rename(self, name: str) -> None:
        """From now on the script calls it so."""
        self._leave()
        self._name = name
        self._sockets[name] = self

    # -- what the program asks

    def recv(self, size: int) -> bytes:
        """What was received."""
        event = self._answer("recv", "received", "ended")
        data: bytes = event.facts.get("data", b"")
        if len(data) != event.facts.get("size", 0):
            self._script.stop(CannotRerun("the recording has no payloads: make it with --record-bytes"))
        return data

    def send(self, data: Any) -> int:
        """How much was taken, of the same bytes."""
        event = self._sending(len(data))
        taken, begin = event.facts.get("data"), f"turn {event.turn}: recorded a send of"
        if event.facts.get("head", "") is None:
            self._script.stop(Diverged(f"{begin} a file on {self._name}, the program offered {bytes(data[:20])!r}"))
        if taken is not None and bytes(data[:len(taken)]) != taken:
            place = next(place for place, pair in enumerate(zip(taken, data)) if pair[0] != pair[1])
            self._script.stop(Diverged(f"{begin} {bytes(taken[place:place + 20])!r} at byte {place:,} on {self._name}, "
                                       f"the program offered {bytes(data[place:place + 20])!r}"))
        return int(self._answer("send", "sent", "partly sent").facts["taken"])

    def send_file(self, size: int) -> int:
        """As send(), of a part of a file, whose bytes no recording holds."""
        event = self._sending(size)
        head = event.facts.get("head")
        if head is not None:
            self._script.stop(Diverged(f"turn {event.turn}: recorded a send of '{head}' on {self._name}, "
                                       "the program offered a file"))
        return int(self._answer("send", "sent", "partly sent").facts["taken"])

    def _sending(self, size: int) -> Event:
        event = self._script.expects(self._name, "sent", "partly sent", "blocked", "error")
        if event is None or event.facts.get("call", "send") != "send":
            self._script.diverge(f"the program sent {size:,} bytes on {self._name}")
        if any(_is_of_several(later) for later in islice(self._script.coming(), 2)):
            self._script.stop(CannotRerun("the program sends more than once in one go, of which the recording has "
                                          "the sum"))
        offered = event.facts.get("offered", size)
        if offered != size:
            self._script.stop(Diverged(f"turn {event.turn}: recorded a send of {offered:,} on {self._name}, "
                                       f"the program offered {size:,}"))
        return event

    def _answer(self, call: str, *kinds: str) -> Event:
        event = self._script.expects(self._name, *kinds, "blocked", "error")
        if event is None or event.facts.get("call", call) != call:
            self._script.diverge(f"the program called {call} on {self._name}")
        if event.kind == "blocked":
            raise BlockingIOError(errno.EAGAIN, "EAGAIN, as recorded")
        if event.kind == "error":
            raise OSError(event.facts["errno"], os.strerror(event.facts["errno"] or 0))
        return event

    def accept(self) -> Tuple[ScriptedKernel, Any]:
        """The client that came; not now, where none was recorded here."""
        if self._script.expects(self._name, "full"):
            raise OSError(errno.EMFILE, self._script.peek().facts["why"])
        event = self._script.expects(self._name, "accepted")
        if event is None:
            raise BlockingIOError(errno.EAGAIN, "nothing was recorded here")
        peer = address_of(event.facts["peer"])
        return ScriptedKernel(self._script, self._sockets, event.facts["connection"], peer), peer

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

    def getsockopt(self, *args: Any) -> int:
        """The recorded kernel knew."""
        return 0

    def setsockopt(self, *args: Any) -> None:
        """The recorded kernel had it."""

    def shutdown(self, how: int) -> None:
        """The event that follows is compared."""

    def close(self) -> None:
        """The number is free again, and the script has no more to say of it."""
        self._sock.close()
        self._leave()

    def _leave(self) -> None:
        if self._sockets.get(self._name) is self:
            del self._sockets[self._name]


def _is_of_several(event: Event) -> bool:
    # Of a send of its own the reactor tells how much was offered.
    return event.kind == "blocked" and event.facts["call"] == "send" and "offered" not in event.facts


class ScriptedDatagrams(ScriptedKernel):
    """The same of a datagram socket."""

    def recvfrom(self, size: int) -> Tuple[bytes, Any]:
        """The datagram that came; not now, where none was recorded here."""
        if not self._script.expects(self._name, "datagram received", "error"):
            raise BlockingIOError(errno.EAGAIN, "nothing was recorded here")
        event = self._answer("recvfrom", "datagram received")
        return event.facts.get("data", b""), address_of(event.facts["peer"])

    def sendto(self, data: bytes, address: Any) -> int:
        """The same datagram must have been sent, to the same peer."""
        event = self._answer("sendto", "datagram sent")
        if event.facts.get("data", data) != data:
            self._script.diverge(f"the program offered {data[:20]!r} ({len(data):,} bytes)")
        if address_of(event.facts["peer"]) != address:
            self._script.diverge(f"the program sent it to {shown(address) if address else 'its peer'}")
        return len(data)

    def send(self, data: Any) -> int:
        """As sendto() the only peer there is."""
        return self.sendto(data, None)


def address_of(words: Any) -> Any:
    """An address as sockets have it, of one in words; a path stays one."""
    if not isinstance(words, str):
        return tuple(words) if words else None
    host, _, number = words.rpartition(":")
    return (host.strip("[]"), int(number)) if host and number.isdecimal() else words


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


class ScriptedConnector(Connector):
    """An attempt to connect of which the script knows what was looked up, tried and answered."""

    def __init__(self, loop: ScriptedReactor, script: Script, sockets: Dict[str, ScriptedKernel],
                 factory: Callable[[], Any], where: str, timeout: float,
                 on_error: Optional[Callable[[OSError], object]]) -> None:
        self._script = script
        self._sockets = sockets
        super().__init__(loop, factory, where, timeout, on_error)

    def found(self, addresses: Any) -> None:
        """The look-up is over in the turn of which the script says so; asked again in each turn until then."""
        if any(self._begins(event) for event in self._script.rest_of_turn()):
            self._try_next(None)
        elif not self._done:
            self.loop.call_soon(self.found, addresses)

    def _begins(self, event: Event) -> bool:
        return event.kind == "connecting" and event.facts["who"] == self.name or self._gives_up(event)

    def _gives_up(self, event: Event) -> bool:
        return event.kind == "timer cancelled" and event.facts["callback"] == f"{self.name} fail"

    def _try_next(self, exc: Optional[OSError]) -> None:
        event = self._script.expects(self.name, "connecting")
        if self._done or event is None:
            return self.fail(exc or OSError("no address was found"))
        address = address_of(event.facts["address"])
        self.tell("connecting", address=event.facts["address"])
        if self._begins(self._script.peek()):
            return self._try_next(self._refusal(errno.ECONNREFUSED, address))
        sock: Any = ScriptedKernel(self._script, self._sockets, self.name, address)
        self._sock = sock
        self._writer = self.loop.add_writer(sock, self._on_writable, address)

    def _on_writable(self, address: Any) -> None:
        sock: Any = self._sock
        for event in self._script.rest_of_turn():
            if event.kind == "connected" and event.facts["who"] == self.name:
                sock.rename(event.facts["connection"])
                self._where = self._where or event.facts["where"]
                return self._succeed(sock)
        self._drop()
        self._try_next(self._refusal(errno.ECONNREFUSED, address))

    def _report(self, exc: OSError) -> None:
        event = self._script.expects(self.name, "failed")
        if event is not None and not isinstance(exc, TimeoutError):
            why = re.match(r"\[Errno (\d+)\] (.*)", event.facts["why"])
            exc = OSError(int(why[1]), why[2]) if why else OSError(event.facts["why"])
        super()._report(exc)


class Elsewhere:
    """What other threads bring, until the script says that it is there."""

    def __init__(self) -> None:
        self._brought: List[Handle] = []
        self._news = threading.Condition()

    def bring(self, handle: Handle) -> None:
        """From any thread."""
        with self._news:
            self._brought.append(handle)
            self._news.notify()

    def take(self, name: str) -> Optional[Handle]:
        """The callback of this name, once it is there; None where no thread brings it."""
        def found() -> Optional[Handle]:
            return next((handle for handle in self._brought if describe(handle.callback) == name), None)

        with self._news:
            handle = self._news.wait_for(found, PATIENCE if threading.active_count() > 1 else 0)
            if handle is not None:
                self._brought.remove(handle)
            return handle


def _recorded_numbers(script: Script) -> Iterator[int]:
    # Each endpoint is made when the next event tells of its beginning.
    while True:
        facts = script.peek().facts
        number = facts.get("connection", facts.get("who", ""))[1:]
        yield int(number) if number.isdigit() else 0


class ScriptedReactor(Reactor):
    """A Reactor on which everything outside the program comes from a script."""

    def __init__(self, script: Script) -> None:
        super().__init__(select=self._answer, clock=script.now)
        self._script = script
        self._timers = ScriptedTimers(script)
        self._sockets: Dict[str, ScriptedKernel] = {}
        self._elsewhere = Elsewhere()
        self._was_woken = False  # in the turn before
        self.observer = script.observe

    def number_as_recorded(self) -> None:
        """Give each endpoint the number that it had, where the script leaves out some of them."""
        self.numbers = _recorded_numbers(self._script)  # type: ignore[assignment]

    # -- select

    def _answer(self, *asked: Any) -> Tuple[List[int], List[int], List[int]]:
        event = self._script.peek()
        if event.kind == "turn":
            raise InterruptedError  # by a signal; the turn begins again
        if event.kind != "ready":
            raise Over("the program was interrupted, as by Ctrl-C")
        readable, writable = self._numbers(event.facts["readable"]), self._numbers(event.facts["writable"])
        # The byte that wakes the loop may be read in the turn before the callback runs, or some turns later.
        turns = (event for event in self._script.coming() if event.kind == "ready")
        woken = [Wakeup.name in turn.facts["readable"] for turn in islice(turns, LAG)]
        if self._was_woken or any(woken):
            self._fetch(readable, writable, woken[0])
        self._was_woken = woken[0]
        return readable, writable, []

    def _numbers(self, names: List[str]) -> List[int]:
        for name in names:
            if name != Wakeup.name and name not in self._sockets:
                raise Over(f"{name} is ready, which is a watcher of the program's own")
        return [self._sockets[name].fileno() if name in self._sockets else self.wakeup.fileno() for name in names]

    def _fetch(self, readable: List[int], writable: List[int], woken: bool) -> None:
        # What was run in this turn and is not here yet came from elsewhere, if not from another program.
        rest = self._script.rest_of_turn()
        here = [*self._soon, *(self._readers[fd] for fd in readable), *(self._writers[fd] for fd in writable)]
        missing = Counter(event.facts["callback"] for event in rest if event.kind == "ran")
        missing.subtract(event.facts["callback"] for event in rest if event.kind == "timer fired")
        missing.subtract(describe(handle.callback) for handle in here)
        for name in missing.elements():
            handle = self._elsewhere.take(name)
            if handle is not None:
                self._soon.append(handle)
            elif woken:
                raise Over(f"a signal or another thread wakes the loop, for {name}")

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> Handle:
        """Called in the turn in which the recorded one was."""
        handle = Handle(partial(callback, *args))
        self._elsewhere.bring(handle)
        return handle

    # -- the verbs

    def listen(self, factory: Callable[[], Any], host: str = "", port: int = 0, *, unix: Optional[str] = None,
               max_connections: Optional[int] = None) -> Listener:
        """As recorded."""
        event = self._upcoming("listening")
        sockets: List[Any] = [ScriptedKernel(self._script, self._sockets, event.facts["who"], address_of(text))
                              for text in event.facts["address"].split(", ")]
        return Listener(self, sockets, factory, max_connections)

    def open_datagram(self, factory: Callable[[], Any], local: Any = None, remote: Any = None
                      ) -> Tuple[DatagramTransport, Any]:
        """As recorded."""
        event = self._upcoming("opened")
        sock: Any = ScriptedDatagrams(self._script, self._sockets, event.facts["who"],
                                      address_of(event.facts["address"]))
        transport = DatagramTransport(self, sock, protocol := factory())
        transport.tell("opened", address=event.facts["address"])
        self.call_soon(transport.begin)
        return transport, protocol

    def connect(self, factory: Callable[[], Any], host: str = "127.0.0.1", port: int = 0, *, unix: Optional[str] = None,
                timeout: float = 10.0, on_error: Optional[Callable[[OSError], object]] = None) -> Connector:
        """As recorded; with an empty host, to whomever that was."""
        where = unix or (shown((host, port)) if host else "")
        connector = ScriptedConnector(self, self._script, self._sockets, factory, where, timeout, on_error)
        self.call_soon(connector.found, [])
        return connector

    def _upcoming(self, kind: str) -> Event:
        event = self._script.peek()
        if event.kind != kind:
            self._script.diverge("the program opened a socket")
        return event

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Any:
        """A timer; it is due when the recorded one was."""
        event = self._script.peek()
        if event.kind == "timer set":
            delay, recorded = max(when - self.time(), 0.0), max(event.facts["delay"], 0.0)
            loose = max(LOOSE, LOOSE * recorded)
            # The recorded program may have asked for it at any moment since the event before.
            if not -loose <= delay - recorded <= loose + event.time - self.time():
                self._script.stop(Diverged(f"turn {event.turn}: recorded a timer in {recorded:.3f} s, "
                                           f"the program set one in {delay:.3f} s"))
            when = event.facts["due"]
        return super().call_at(when, callback, *args)

    # -- running

    def again(self, factory: Optional[Callable[[], Any]]) -> NoReturn:
        """Turn until the script stops it.  With a factory, open also what the program had opened outside turns."""
        while True:
            event = self._script.peek()
            # What has a factory only may run its loop again; what was begun by itself ends with it.
            if event.kind == "turn" and not (self._stopping and factory is None):
                self.turn()
            elif factory is None or not self._opens(event, factory):
                if self._stopping:
                    self.close()
                self._script.diverge("the program has ended" if self.closed else "the program did nothing there")

    def _opens(self, event: Event, factory: Callable[[], Any]) -> bool:
        if event.kind == "listening":
            self.listen(factory)
        elif event.kind == "opened":
            self.open_datagram(factory)
        elif event.kind == "adopted":
            sock: Any = ScriptedKernel(self._script, self._sockets, event.facts["who"], None)
            self.adopt(factory, sock)
        elif event.kind != "timer set":
            return False
        elif re.match(r"#\d+ fail$", event.facts["callback"]):
            self.connect(factory, "", timeout=event.facts["delay"])
        else:
            raise CannotRerun("outside its protocols the recorded program sets timers, which a factory does not")
        return True
