"""Callbacks that wait: for the next turn (Handle) or for a moment (Timer).

Theory of operation

1. A timer is an entry (when, order, timer) of a heap.  The order makes equal
   moments run first set, first run, and keeps the heap from comparing callbacks.
2. cancel() only empties the handle.  An empty timer is dropped when it comes to the
   top, before anyone asks how long select may sleep: it never wakes the loop.  Those
   below the top are swept out whenever the heap has doubled since the last sweep, so a
   server that sets and cancels for ever keeps no graveyard, and each pays a constant.
3. due() gives only timers that were set before the turn ran anything.  A timer that sets
   another with no delay therefore waits a turn, and sockets are looked at between.
"""
from __future__ import annotations

import heapq
from typing import Callable, Iterator, List, Optional, Tuple

FEW = 100  # below this, sweeping the heap costs more than it frees


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

    __slots__ = ("on_cancel", "_when")

    def __init__(self, callback: Callable[[], object], when: float) -> None:
        super().__init__(callback)
        self.on_cancel: Optional[Callable[[], object]] = None  # called when it is cancelled in time
        self._when = when

    def cancel(self) -> None:
        """Never run it, even if it is due in this very turn.  Twice, or after it ran, does nothing."""
        on_cancel, self.on_cancel = self.on_cancel, None
        super().cancel()
        if on_cancel is not None:
            on_cancel()

    def when(self) -> float:
        """The moment, by the loop's clock."""
        return self._when


class Timers:
    """The heap of timers."""

    def __init__(self) -> None:
        self.heap: List[Tuple[float, int, Timer]] = []  # when it is empty, no timer is set
        self.last = 0  # the order of the timer that was set last
        self._enough = FEW  # the size at which to sweep

    def add(self, when: float, callback: Callable[[], object]) -> Timer:
        """Set a timer.  TypeError or ValueError for a moment that is not a number."""
        if when + 0.0 != when:
            raise ValueError("a timer needs a moment, not nan")
        if len(self.heap) >= self._enough:
            self.heap = [entry for entry in self.heap if entry[2].callback is not None]
            heapq.heapify(self.heap)
            self._enough = max(FEW, 2 * len(self.heap))
        timer = Timer(callback, when)
        self.last += 1
        heapq.heappush(self.heap, (when, self.last, timer))
        return timer

    def first(self) -> Optional[Timer]:
        """The timer that is due next; None where there is none."""
        while self.heap and self.heap[0][2].callback is None:
            heapq.heappop(self.heap)
        return self.heap[0][2] if self.heap else None

    def due(self, now: float, last: int) -> Iterator[Timer]:
        """Those up to the `last` whose moment has come, in order; each leaves the heap as it is given."""
        while self.first() is not None:
            when, order, timer = self.heap[0]
            if order > last and when < now:
                # Set in this very turn, for a moment in the past: it waits behind all that is due.
                heapq.heapreplace(self.heap, (now, order, timer))
                continue
            if when > now or order > last:
                return
            heapq.heappop(self.heap)
            timer.on_cancel = None
            yield timer
