"""The watchdog: says where the loop is stuck while it is stuck, which the loop itself cannot.

A thread looks at a note of two numbers that the observer leaves: which turn, and since when it has been
awake.  A loop that sleeps in select has left no such note and is never disturbed.
"""
from __future__ import annotations

import sys
import threading
import time
import traceback
from types import FrameType
from typing import Any, Callable, List, Optional, Tuple

from reactor.trace import Event

PATIENCE = 1.0  # seconds for one turn
Awake = Optional[Tuple[int, float]]  # the turn, and the moment of time.monotonic() at which select returned
OURS = ("/reactor/loop.py", "/reactor/reactor.py")


class Watchdog:
    """A context manager and an observer: `say` is called, from a thread, once for each turn longer than `patience`.

    Make it on the loop's thread.  `also` is called from the thread whenever it looks, four times in each patience.
    `awake` tells which turn the loop is awake in and since when, None while it sleeps; by default the events do.
    """

    def __init__(self, say: Callable[[str], object], patience: float = PATIENCE,
                 also: Callable[[], object] = lambda: None, awake: Optional[Callable[[], Awake]] = None) -> None:
        self._say = say
        self._patience = patience
        self._also = also
        self._ask = awake or (lambda: self._awake)
        self._awake: Awake = None
        self._reported = -1
        self._loop_thread = threading.get_ident()
        self._stop = threading.Event()
        # A daemon: a loop that is stuck for ever must not keep it from being killed.
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __call__(self, event: Event) -> None:
        """See one event."""
        if event.kind == "ready":
            self._awake = event.turn, time.monotonic()
        elif event.kind == "turn":
            self._awake = None

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._patience / 4):
            self.look(time.monotonic())
            self._also()

    def look(self, now: float) -> None:
        """Say where the loop is, if it has been in one turn for too long and that was not said before."""
        awake = self._ask()
        if awake is None or awake[0] == self._reported or now - awake[1] < self._patience:
            return
        frame = sys._current_frames().get(self._loop_thread)
        self._reported = awake[0]
        self._say(f"turn {awake[0]} has not ended for {now - awake[1]:.1f} s; nobody is served while the loop is "
                  f"here:\n{''.join(where(frame)).rstrip()}")


def where(frame: Optional[FrameType]) -> List[str]:
    """The stack of a thread from the callback inwards; whole, where the loop is not in it."""
    stack = traceback.extract_stack(frame) if frame is not None else traceback.StackSummary()
    ours = [place for place, entry in enumerate(stack) if entry.filename.replace("\\", "/").endswith(OURS)]
    return traceback.format_list(stack[ours[-1] + 1 if ours and ours[-1] + 1 < len(stack) else 0:])
