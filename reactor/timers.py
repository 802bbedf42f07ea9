"""Callbacks that wait: for the next turn (Handle) or for a moment (Timer).

Theory of operation

1. A timer is an entry (when, order, timer) of a heap.  The order makes equal
   moments run first set, first run, and keeps the heap from comparing callbacks.
2. cancel() only empties the timer.  Empty ones are dropped when they come to the
   top, before anyone asks how long select may sleep: a cancelled timer never
   wakes the loop.  When more than half of a hundred or more are empty, the heap
   is built anew, so that a server that sets and cancels keeps no graveyard.
3. due() gives only timers that were set before it was called.  A timer that sets
   another with no delay therefore waits a turn, and sockets are looked at between.
"""
from __future__ import annotations

import heapq
from typing import Callable, Iterator, List, Optional, Tuple

COMPACT_ABOVE = 100  # below this, rebuilding the heap costs more than it frees


class Handle:
    """A callback that waits for its turn."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Optional[Callable[[], object]] = callback

    def cancel(self) -> None:
        """Never run it, even if it is due in this very turn.  Twice, or after it ran, does nothing."""
        self.callback = None

    def cancelled(self) -> bool:
        """True once cancelled."""
        return self.callback is None


class Timer(Handle):
    """A callback that waits for a moment of the loop's clock, in seconds."""

    __slots__ = ("_when", "_timers")

    def __init__(self, when: float, callback: Callable[[], object], timers: Timers) -> None:
        super().__init__(callback)
        self._when = when
        self._timers: Optional[Timers] = timers

    def when(self) -> float:
        """The moment, by the loop's clock."""
        return self._when

    def cancel(self) -> None:
        """Never run it.  Twice, or after it ran, does nothing."""
        self.callback = None
        timers, self._timers = self._timers, None
        if timers is not None:
            timers.one_cancelled()

    def leave(self) -> None:
        """The heap has let go of this timer."""
        self._timers = None


class Timers:
    """The heap of timers."""

    def __init__(self) -> None:
        self.heap: List[Tuple[float, int, Timer]] = []  # empty only if no timer is set
        self._order = 0
        self._cancelled = 0

    def add(self, when: float, callback: Callable[[], object]) -> Timer:
        """Set a timer.  ValueError for a moment that is not a number."""
        if when != when:
            raise ValueError("a timer needs a moment, not nan")
        timer = Timer(when, callback, self)
        self._order += 1
        heapq.heappush(self.heap, (when, self._order, timer))
        return timer

    def first(self) -> Optional[Timer]:
        """The timer that is due next; None where there is none."""
        heap = self.heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        return heap[0][2] if heap else None

    def due(self, now: float) -> Iterator[Timer]:
        """Those whose moment has come, in order; each leaves the heap as it is given."""
        last = self._order
        while self.first() is not None:
            when, order, timer = self.heap[0]
            if when > now or order > last:
                return
            heapq.heappop(self.heap)
            timer.leave()
            yield timer

    def one_cancelled(self) -> None:
        """A timer in the heap was cancelled."""
        self._cancelled += 1
        if self._cancelled * 2 > len(self.heap) > COMPACT_ABOVE:
            self.heap = [entry for entry in self.heap if entry[2].callback is not None]
            heapq.heapify(self.heap)
            self._cancelled = 0
