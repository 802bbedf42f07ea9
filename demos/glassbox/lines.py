"""What the trace and the recording have in common: events become lines, and an idle turn becomes none.

The events of a turn wait until the next one begins, which is before select may fall asleep; then their lines are
made and written together, which costs less than each in its time.  The beginning of a turn, whom select was asked
about and what it answered, becomes a line only if something follows from it: an idle loop writes nothing.
"""
from __future__ import annotations

import sys
from typing import Callable, Dict, List

from reactor.trace import Event

MANY = 100  # events that may wait, with their bytes
Say = Callable[[Event, float], str]  # an event, and the moment from which its time counts, as a line


def complain(text: str) -> None:
    """Say it on stderr, where there is somebody to hear it."""
    if sys.stderr is not None:  # as it is when the program was started without one
        try:
            print(text, file=sys.stderr, flush=True)
        except (OSError, ValueError):
            pass  # nobody is left to tell


class Lines:
    """An observer that makes a line of each event: as `says` has it for its kind, or else as `say`."""

    def __init__(self, began: float, say: Say, says: Dict[str, Say]) -> None:
        self._began = began
        self._say = say
        self._says = says
        self._waiting: List[Event] = []  # without a line so far
        self._last = Event(began, 0, "turn", {})  # that has a line

    def __call__(self, event: Event) -> None:
        """Take one event; never raises for what happens to the file."""
        if event.kind == "turn":
            self.flush()
            self._waiting = [event]
        else:
            self._waiting.append(event)
            if len(self._waiting) >= MANY:
                self.flush()

    def flush(self) -> None:
        """Write the lines of all that has happened."""
        waiting, first = self._waiting, 0
        while first < len(waiting) and _is_beginning(waiting[first]):
            first += 1
        if first < len(waiting):
            self._waiting = []
            # What happens between two turns has the number of the one that comes, and does not follow from the last.
            due = waiting if waiting[0].turn == waiting[first].turn else waiting[first:]
            self._last = due[-1]
            began, says, say = self._began, self._says, self._say
            self._write("".join([says.get(event.kind, say)(event, began) for event in due]))

    def _write(self, lines: str) -> None:
        """Write lines, whole ones."""
        raise NotImplementedError


def _is_beginning(event: Event) -> bool:
    facts = event.facts
    return event.kind == "turn" or event.kind == "ready" and not (facts["readable"] or facts["writable"])
