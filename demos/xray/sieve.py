"""A loop that spins makes a hundred thousand turns a second, all alike: of those, few are worth a line."""
from __future__ import annotations

from typing import Any, Callable, List, Tuple

from reactor.trace import Event

# Turns alike, one after the other, that are all passed on: to a reader, and to a recording, in which the doctor
# wants to see many before it says anything.  After them come the 100th, the 1,000th, the 10,000th ...
READABLE, RECORDED = 20, 1100
LARGE = 200  # events of one turn that may be held back


class Sieve:
    """An observer that passes events on, but for turns that are like the turn before."""

    def __init__(self, observer: Callable[[Event], object], shown: int) -> None:
        self._observer = observer
        self._shown = shown
        self._held: List[Event] = []  # of this turn, while the turns before were alike
        self._this: List[Tuple[Any, ...]] = []
        self._before: List[Tuple[Any, ...]] = []
        self._alike = 0

    def __call__(self, event: Event) -> None:
        """Take one event; of a turn that may be left out it is held back until the next turn begins."""
        if event.kind == "turn":
            self._next_turn()
        self._this.append(_essence(event))
        if self._alike < self._shown or len(self._this) > LARGE:
            self.close()
            self._observer(event)
        else:
            self._held.append(event)

    def close(self) -> None:
        """Pass on what is held back."""
        held, self._held = self._held, []
        for event in held:
            self._observer(event)

    def _next_turn(self) -> None:
        self._alike = self._alike + 1 if self._this == self._before else 0
        if self._alike <= self._shown or str(self._alike).strip("0") == "1":
            self.close()
        self._held = []
        self._before, self._this = self._this, []


def _essence(event: Event) -> Tuple[Any, ...]:
    # What makes two turns alike: all but times and bytes.
    facts = event.facts
    return (event.kind, facts.get("who"), facts.get("size"), facts.get("taken"), facts.get("readable"),
            facts.get("writable"), facts.get("writing"), facts.get("reading"))
