"""The event loop: one turn asks select() who is ready and runs exactly those.

Theory of operation

1. Interest is kept by descriptor number, in two dictionaries: who waits to read,
   who waits to write.  The lists that select is asked with are made anew when, and
   only when, somebody comes or goes.
2. The numbers that select answers with become Watcher objects before any callback
   runs.  A number may be closed and given to somebody else in the middle of a turn;
   a Watcher never is.  One that was cancelled earlier in the same turn is skipped,
   one that was added waits for the next select.
3. A turn runs, in this order: callbacks that were scheduled before it, readers and
   then writers in the order of their registration, timers that are due.  Whatever
   those schedule waits for the next turn, so no turn is endless.  (Do not build on
   the order among readers: a resumed one has moved to the end.)
4. `_run` is the only place where callbacks are called, with one policy for what
   they raise: log it with its owner, end that owner's connection, go on.
   KeyboardInterrupt and SystemExit leave run(); nothing that waited is forgotten.
5. select must never be asked something it cannot answer: who is closed, watched
   already or beyond FD_SETSIZE is refused at registration, by name.  If a socket is
   closed behind our back all the same, the culprit is found, reported and dropped.

Left out on purpose: epoll and kqueue (they would hide what is taught: the cost of a
turn grows with the number of watched sockets, which is what epoll was made for), and
files (select calls them always ready).
"""
from __future__ import annotations

import itertools
import select
import sys
import threading
import time
from collections import deque
from functools import partial
from operator import attrgetter
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from . import trace
from .endpoint import Endpoint, Watcher, called, describe, named, owner_of, words
from .timers import Handle, Timer, Timers
from .trace import log
from .workingset import MANY, WorkingSet

WINDOWS = sys.platform == "win32"
DAY = 86400.0  # longer timeouts overflow on some systems
# How long to sleep with nothing to wait for: for ever, but on Windows Ctrl-C does not end a select.
ASLEEP = 0.5 if WINDOWS else None

HasFileno = Any  # a socket, or anything else with a fileno()
Selectable = Any  # that, or a descriptor number
Answer = Tuple[Sequence[int], Sequence[int], Sequence[int]]
Select = Callable[..., Answer]


class EventLoop(trace.Observable):
    """Runs callbacks when sockets are ready and timers are due, all on the thread that called run()."""

    # `select` and `clock` (seconds, never going back) are a test's to replace; `loop.select` also between two
    # turns or in the middle of one.
    def __init__(self, *, select: Select = select.select, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self.events = 0  # how often select found a socket ready
        self.received = self.sent = 0  # bytes, of the streams that have ended
        self.most = self.largest = 0  # endpoints at once; bytes in one outbound queue
        self.endpoints: Set[Endpoint] = set()
        self.numbers = itertools.count(1)
        self.waiting: Set[Callable[[], object]] = set()  # called once, when a descriptor becomes free
        self.crowded = sys.maxsize  # endpoints with which select could hold few more, as a listener found
        self.select = select
        self._readers: Dict[int, Watcher] = {}
        self._writers: Dict[int, Watcher] = {}
        self.asked: Optional[Tuple[List[int], List[int], List[int]]] = None  # select's three lists; None when stale
        self._told: Tuple[Any, List[Tuple[str, str]]] = None, []  # those lists, and the first of them in words
        self.working_set = WorkingSet()
        self._proven = -1  # the highest descriptor that select is known to hold
        self._soon: Deque[Handle] = deque()
        self._timers = Timers()
        self._thread: Optional[int] = None
        self._stopping = False
        self.closed = False

    # -- the turn

    def turn(self, patience: Optional[float] = None) -> int:
        """Make one pass; sleep until something is ready or due, at most `patience` seconds.  How many were ready."""
        readers, run, timeout, began = self._readers, self._run, ASLEEP, None
        if self._soon or self._timers.heap or patience is not None:
            timeout = self._timeout(patience)
        if self.observer is not None:
            run = self._run_observed
            self._tell_what_is_asked(timeout, patience)
            began = self.time()
        reading, writing, third = self.asked or self._ask()
        ready = []
        try:
            if len(readers) < MANY:
                readable, writable, failed = self.select(reading, writing, third, timeout)
            else:
                readable, writable, failed = self._look(reading, writing, third, timeout)
            for fd in readable:  # a comprehension costs a call, which most turns would pay for one socket
                ready.append(readers[fd])
            if writable or failed:
                ready += [self._writers[fd] for fd in dict.fromkeys((*writable, *failed))]
        except InterruptedError:
            return 0
        except (OSError, ValueError, KeyError) as exc:
            self._mend(exc)
            return 0
        if began is not None:  # an observer that came while select slept hears whole turns from the next one on
            names, count = [called(watcher)[0] for watcher in ready], len(readable)
            self.tell("ready", readable=names[:count], writable=names[count:], slept=self.time() - began)
        last = self._timers.last
        if self._soon:
            run(self._take_soon())
        run(ready)
        heap = self._timers.heap
        if heap and heap[0][0] <= self.time():  # most turns have nothing due, and pay this comparison
            run(self._timers.due(self.time(), last))
        self.turns += 1
        self.events += len(ready)
        return len(ready)

    def _look(self, reading: List[int], writing: List[int], third: List[int], timeout: Optional[float]) -> Answer:
        busy = self.working_set.quick(reading, self._readers, self.time())
        # Not to sleep halves the price: the kernel then need not note who is to be woken.
        answer = self.select(busy or reading, writing, third, 0.0)
        if not (answer[0] or answer[1] or answer[2]) and (busy or timeout != 0.0):
            busy = []
            answer = self.select(reading, writing, third, timeout)
        if not busy:
            self.working_set.note(answer[0], self.time())
        elif self.observer is not None:
            self.tell("quick look", busy=len(busy), all=len(reading))
        return answer

    def _ask(self) -> Tuple[List[int], List[int], List[int]]:
        # Windows tells of a connection that failed in the third list alone.  Elsewhere that
        # list means urgent data, which nobody here reads: not watched, it cannot spin.
        writing = list(self._writers)
        self.asked = list(self._readers), writing, writing if WINDOWS else []
        return self.asked

    def _timeout(self, patience: Optional[float]) -> Optional[float]:
        if self._soon:
            return 0.0
        timeout = ASLEEP if patience is None or ASLEEP is not None and ASLEEP < patience else patience
        timer = self._timers.first()
        if timer is not None:
            due = timer.when() - self.time()
            if timeout is None or due < timeout:
                timeout = due
        if timeout is None or 0.0 <= timeout <= DAY:
            return timeout
        return 0.0 if timeout < 0.0 else DAY

    def _take_soon(self) -> Iterator[Handle]:
        # One at a time: when a KeyboardInterrupt ends the turn, the others are still there.
        for _ in range(len(self._soon)):
            yield self._soon.popleft()

    def _run(self, batch: Iterable[Handle]) -> None:
        # The only place where callbacks are called.
        for handle in batch:
            callback = handle.callback
            if callback is not None:
                try:
                    callback()
                except Exception as exc:
                    self._blame(callback, exc)

    def _run_observed(self, batch: Iterable[Handle]) -> None:
        for handle in batch:
            callback = handle.callback
            if callback is not None:
                name = called(handle)[1] if isinstance(handle, Watcher) else describe(callback)
                start = self.time()
                if isinstance(handle, Timer):
                    self.tell("timer fired", callback=name, due=handle.when(), late=start - handle.when())
                self._run((handle,))
                self.hand("ran", {"callback": name, "milliseconds": (self.time() - start) * 1000})

    def call_now(self, callback: Callable[[], object]) -> None:
        """Call it under the loop's policy for exceptions: nothing but KeyboardInterrupt and SystemExit comes out."""
        self._run((Handle(callback),))

    def _blame(self, callback: Callable[[], object], exc: Exception) -> None:
        owner = owner_of(callback)
        log.error("%s raised %s", describe(callback), words(exc), exc_info=exc)
        if self.observer is not None:
            self.tell("raised", callback=describe(callback), error=words(exc))
        if isinstance(owner, Endpoint):
            owner.fail(exc)

    def _mend(self, exc: Exception) -> None:
        """Drop whoever select choked on; raise where it was nobody, since going on would spin."""
        watchers = [*self._readers.values(), *self._writers.values()]
        culprits = [watcher for watcher in watchers if _ask_about(watcher.fd) is not None]
        if not culprits and self.asked is not None:  # else a signal's handler cancelled somebody while select slept
            raise exc
        for watcher in culprits:
            callback = watcher.callback
            watcher.cancel()
            if callback is not None:
                self._blame(callback, OSError(f"descriptor {watcher.fd} was closed while it was still watched"))

    # -- who is watched.  TypeError or ValueError is raised where select could not watch it,
    # RuntimeError where the descriptor has a watcher already (asyncio replaces that one in silence).

    def add_reader(self, source: Selectable, callback: Callable[..., object], *args: Any) -> Watcher:
        """Call back in each turn in which `source` is readable, until the watcher is cancelled."""
        return self._watch(self._readers, source, callback, args)

    def add_writer(self, source: Selectable, callback: Callable[..., object], *args: Any) -> Watcher:
        """As add_reader, in each turn in which `source` is writable: watch only while there is something to write."""
        return self._watch(self._writers, source, callback, args)

    def _watch(self, table: Dict[int, Watcher], source: Selectable, callback: Callable[..., object],
               args: Tuple[Any, ...]) -> Watcher:
        self._check()
        if not isinstance(source, int) and not hasattr(source, "fileno"):
            raise TypeError(f"select cannot watch {source!r}: it has no fileno()")
        fd = source if isinstance(source, int) else source.fileno()
        # What is lower than one that select took before, and no stale number, it will take.
        if not 0 <= fd <= self._proven or source is fd:
            problem = _ask_about(fd)
            if problem is not None:
                raise ValueError(f"select cannot watch {source!r}: {problem}")
            self._proven = max(self._proven, fd)
        if fd in table:
            raise RuntimeError(f"descriptor {fd} is already watched, by {describe(table[fd].callback)}")
        return Watcher(fd, partial(callback, *args) if args else callback, table, self)

    # -- callbacks without a socket

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Handle:
        """Call it once, in the next turn, in the order of the calls."""
        self._check()
        handle = Handle(partial(callback, *args) if args else callback)
        self._soon.append(handle)
        return handle

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Call it once, `delay` seconds from now or a little later; never in this turn."""
        return self.call_at(self.time() + delay, callback, *args)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Call it once, at `when` of `time()` or a little later.  Equal moments run in the order of the calls."""
        self._check()
        timer = self._timers.add(when, partial(callback, *args) if args else callback)
        if self.observer is not None:
            name = describe(callback)
            timer.on_cancel = partial(self.tell, "timer cancelled", callback=name, due=when)
            self.tell("timer set", callback=name, due=when, delay=max(when - self.time(), 0.0))
        return timer

    def _check(self) -> None:
        if self.closed:
            raise RuntimeError("this event loop is closed")
        if self._thread is not None and self._thread != threading.get_ident():
            raise RuntimeError("only call_soon_threadsafe may be called from another thread")

    # -- running

    def run(self, until: Optional[Callable[[], bool]] = None) -> None:
        """Turn until stop(), or until `until()` is true after a turn.  Can be called again afterwards."""
        self._check()
        if self._thread is not None:
            raise RuntimeError("this event loop is already running")
        self._thread = threading.get_ident()
        try:
            while True:
                self.turn()
                if self._stopping or (until is not None and until()):
                    return
        finally:
            self._stopping = False
            self._thread = None

    def stop(self) -> None:
        """Let run() return after this turn; before run(), after the first one."""
        self._stopping = True
        self._soon.append(Handle(int))  # something to do, so that the turn does not sleep

    def by_age(self) -> List[Endpoint]:
        """All that is open, the first one opened first: what ends together shall end in an order that can be told."""
        return sorted(self.endpoints, key=attrgetter("number"))

    def is_idle(self) -> bool:
        """True when nothing can happen any more: no connection, no timer, nothing scheduled."""
        return not (self.endpoints or self._soon or self._timers.first())

    def close(self) -> None:
        """Abort what is open, deliver its last callbacks, and refuse everything from now on.  Twice is once."""
        if self._thread is not None:
            raise RuntimeError("stop() a running event loop before close()")
        for _ in range(3):  # a last callback may open something new; a third time is its own fault
            for endpoint in self.by_age():
                endpoint.abort()
            self._run(self._take_soon())
        self.closed = True
        self.select = self._closed_select

    def _closed_select(self, *args: Any) -> Answer:
        raise RuntimeError("this event loop is closed")

    def forget(self, endpoint: Endpoint) -> None:
        """An endpoint has ended and its descriptor is free: whoever waited for one goes on."""
        self.endpoints.discard(endpoint)
        waiting, self.waiting = self.waiting, set()
        for resume in waiting:
            resume()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _tell_what_is_asked(self, timeout: Optional[float], patience: Optional[float]) -> None:
        if self._told[0] is not self.asked or self.asked is None:
            self._told = self.asked or self._ask(), [named(watcher) for watcher in self._readers.values()]
        timer = self._timers.first()
        why = ("callbacks wait" if self._soon else "as turn() was asked" if timeout == patience is not None else
               "nothing is due" if timer is None else
               f"next timer: {describe(timer.callback)}")
        writing = [named(watcher, True) for watcher in self._writers.values()]
        self.tell("turn", reading=self._told[1], writing=writing, timeout=timeout, why=why)


def _ask_about(fd: int) -> Optional[Exception]:
    """What select says of a descriptor that it cannot watch: closed, or too high a number for it."""
    try:
        select.select([fd], [], [], 0)
    except (OSError, ValueError) as exc:
        return exc
    return None
