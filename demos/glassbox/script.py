"""The recording as a script: what comes next, and whether a program that runs again keeps to it."""
from __future__ import annotations

from collections import deque
from itertools import takewhile
from typing import Any, Deque, Iterator, List, NoReturn, Optional, Tuple

from reactor.trace import Event

from .words import what, who

# What depends on the machine and not on the program; and the facts of all else that must be the same.
UNCOMPARED = {"ran", "raised", "quick look"}
COMPARED = ("who", "connection", "where", "call", "size", "offered", "taken", "left", "depth", "readable", "writable")


class Stop(BaseException):
    """Ends the re-run from inside any callback; no policy for exceptions may swallow it."""


class Diverged(Stop):
    """The program did something else than was recorded; the sentence says what and where."""


class Over(Stop):
    """The recording ends here, or goes on with what it does not hold."""


class CannotRerun(Stop):
    """This recording cannot be run again, or not with this program; says why in one line."""


class Script:
    """The recorded events, with a finger on the next one.  Of those to come a few turns are kept."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._ahead: Deque[Event] = deque()  # read, and not reached yet
        self._last = Event(0.0, 0, "end", {})
        self._why: Optional[Stop] = None
        self.matched = 0

    def peek(self) -> Event:
        """The next event that is compared.  Over at the end."""
        while (self._ahead or self._read()) and self._ahead[0].kind != "end":
            if self._ahead[0].kind not in UNCOMPARED:
                return self._ahead[0]
            self._ahead.popleft()
        raise Over("the recording ends")

    def _read(self) -> bool:
        event = next(self._events, None)
        if event is not None:
            self._ahead.append(event)
        return event is not None

    def coming(self) -> Iterator[Event]:
        """All events from here on, without reaching them.  What was looked at is kept."""
        count = 0
        while count < len(self._ahead) or self._read():
            yield self._ahead[count]
            count += 1

    def rest_of_turn(self) -> List[Event]:
        """All that was recorded from here on until select was asked again."""
        return list(takewhile(lambda event: event.kind != "turn", self.coming()))

    def observe(self, event: Event) -> None:
        """An event of the re-run: it must be the next one recorded."""
        if event.kind in UNCOMPARED:
            return
        recorded = self.peek()
        if _gist(event, recorded) != _gist(recorded, recorded):
            self.diverge(f"the program: {who(event)} {what(event)}")
        self._last = self._ahead.popleft()
        self.matched += 1

    def diverge(self, instead: str) -> NoReturn:
        """Stop with one sentence."""
        recorded = self.peek()
        self.stop(Diverged(f"turn {recorded.turn}: recorded: {who(recorded)} {what(recorded)}; {instead}"))

    def stop(self, why: Stop) -> NoReturn:
        """End the re-run, for the first reason that there was: the program may do more on its way out."""
        self._why = self._why or why
        raise self._why

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
