"""What the trace and the recording have in common: events become lines, and an idle turn becomes none.

The lines of one turn are written together when the next one begins, which is before select may fall asleep.
The beginning of a turn, whom select was asked about and what it answered, is held back until something
follows from it: an idle loop writes nothing.
"""
from __future__ import annotations

import sys
from typing import List, Tuple

from reactor.trace import Event


MANY = 50  # lines that a turn may keep in memory


def complain(text: str) -> None:
    """Say it on stderr, where there is somebody to hear it."""
    if sys.stderr is not None:  # as it is when the program was started without one
        try:
            print(text, file=sys.stderr, flush=True)
        except (OSError, ValueError):
            pass  # nobody is left to tell


class Lines:
    """An observer that makes a line of each event."""

    def __init__(self) -> None:
        self._lines: List[str] = []  # not written yet
        self._held: Tuple[Event, ...] = ()  # the beginning of a turn in which nothing has happened so far

    def __call__(self, event: Event) -> None:
        """Take one event; never raises for what happens to the file."""
        if event.kind == "turn" or len(self._lines) == MANY:
            self._write()
        if event.kind == "turn":
            self._held = (event,)
            return
        if event.kind == "ready" and not (event.facts["readable"] or event.facts["writable"]):
            self._held += (event,)
            return
        for earlier in self._held:
            if earlier.turn == event.turn:
                self._lines.append(self._line(earlier))
        self._held = ()
        self._lines.append(self._line(event))

    def _line(self, event: Event) -> str:
        raise NotImplementedError

    def _write(self) -> None:
        """Write and forget the lines."""
        raise NotImplementedError
