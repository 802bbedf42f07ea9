"""What the page knows, and what each browser is told of it.

Theory of operation

1. Whole turns or none.  The Watch hears a turn from its beginning to its end, or not at all.  While it hears,
   Connections (glassbox/state.py) say how everything stands; where it begins anew they are taken from the live
   objects.  So whatever is shown is exact.
2. A loop at ease is heard all the time.  One that is busy is heard for SHARE of each PERIOD of its waking
   time, and goes on with no observer in between; the turns that nobody heard are counted.
3. What was heard goes into a ring of a fixed size, in stretches: so many turns in a row, and how everything stood
   before them.  A turn can be drawn from its stretch at any time.
4. A browser is asked what it lacks only when the kernel has room for it, and what it lacks is worked out then: the
   newest frame, the columns since the last ones.  Nothing is queued for it, so nothing piles up.
"""
from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Tuple

from reactor import Reactor
from reactor.trace import Event

from ..glassbox.archive import Turn
from ..glassbox.columns import AGAIN
from ..glassbox.doctor import IDLE, USERS_OWN, Doctor, Finding
from ..glassbox.state import Connections
from .frames import Seen, slim
from .snapshot import snapshot

PERIOD = 0.1  # seconds
SHARE = 0.03  # of them, in which a busy loop is heard
EASE = 500  # events in one period that are always heard
PROLONGED = USERS_OWN + 100  # turns in a row that are heard where the loop seems to spin, so that the doctor can tell

MOST_TURNS = 2000  # kept for scrubbing
MOST_BYTES = 8 * 1024 * 1024
STRETCH = 100  # turns, at most
EVENT, ENTRY, ROW = 450, 120, 500  # bytes, roughly: one event, one socket of a new list, one connection


class Stretch:
    """Turns that follow each other, and how all connections stood before the first."""

    def __init__(self, before: Connections) -> None:
        self.before = before
        self.turns: List[Seen] = []
        self.weight = ROW * len(before.open)

    def at(self, seen: Seen) -> Connections:
        """How all connections stood at the end of one of the turns."""
        connections = self.before.copy()
        for turn in self.turns:
            for event in turn.events:
                connections.apply(event)
            if turn is seen:
                break
        return connections


class Ring:
    """The newest turns that were heard, at most MOST_TURNS of them and about MOST_BYTES."""

    def __init__(self) -> None:
        self.count = 0  # of all that ever came
        self.turns = self.weight = 0  # how many are kept, and their bytes, roughly
        self._stretches: Deque[Stretch] = deque()
        self._reading: Any = None

    def begin(self, before: Connections) -> None:
        """The next turn does not follow the last one, or the stretch is long enough."""
        self._stretches.append(Stretch(before))
        self.weight += self._stretches[-1].weight

    def add(self, seen: Seen) -> None:
        """One more turn of the last stretch."""
        stretch = self._stretches[-1]
        weight = EVENT * len(seen.events)
        reading = seen.fact("turn", "reading", self._reading)
        if reading is not self._reading:
            self._reading = reading
            weight += ENTRY * len(reading)
        stretch.turns.append(seen)
        stretch.weight += weight
        self.weight += weight
        self.turns += 1
        self.count += 1
        while len(self._stretches) > 1 and (self.turns > MOST_TURNS or self.weight > MOST_BYTES):
            gone = self._stretches.popleft()
            self.turns -= len(gone.turns)
            self.weight -= gone.weight

    def is_full_stretch(self) -> bool:
        """True once the newest stretch is long, or heavy: what is thrown away is whole stretches."""
        last = self._stretches[-1]
        return len(last.turns) >= STRETCH or last.weight >= MOST_BYTES / 4

    @property
    def last(self) -> Optional[Stretch]:
        """The newest stretch; it may have no turns yet."""
        return self._stretches[-1] if self._stretches else None

    def newest(self, most: int) -> List[Seen]:
        """The last so many, oldest first."""
        return list(self._backwards(most))[::-1]

    def _backwards(self, most: int) -> Iterator[Seen]:
        for stretch in reversed(self._stretches):
            for seen in reversed(stretch.turns):
                if most <= 0:
                    return
                most -= 1
                yield seen

    def find(self, number: int) -> Optional[Tuple[Seen, Connections]]:
        """A turn, and how all connections stood at its end; None where it was not heard, or is gone."""
        for stretch in self._stretches:
            for seen in stretch.turns:
                if seen.number == number:
                    return seen, stretch.at(seen)
        return None


class Watch:
    """The observer behind the page.  `rested` is called when it wants to be taken off, until allow() is called."""

    def __init__(self, reactor: Reactor, ring: Ring, found: Callable[[Finding], object], rested: Callable[[], object],
                 idle: Optional[float] = None) -> None:
        self.connections = Connections()
        self.resting = False
        self._reactor = reactor
        self._ring = ring
        self._found = found
        self._rested = rested
        self._idle = idle or IDLE
        self._told: Dict[Tuple[str, str], int] = {}
        self._doctor = self._new_doctor()
        self._events: Optional[Turn] = None  # of the turn that is being heard
        self._number = -1
        self._before: Optional[Seen] = None
        self._since = self._slept = 0.0  # of this period
        self._count = 0
        self._prolonged = 0.0  # when that was done last

    def __call__(self, event: Event) -> None:
        """Hear one event."""
        if self._events is None:
            if event.kind != "turn" or self.resting:
                return
            self._begin(event)
        elif event.turn != self._number:
            self._finish(event)
            if self._events is None:
                return
        self.connections.apply(event)
        self._doctor(event)
        self._events.append(slim(event))  # type: ignore[union-attr]

    def stop(self) -> None:
        """Forget the turn that is being heard: not all of it will be."""
        self._events = self._before = None

    def allow(self) -> None:
        """A new period begins."""
        self._since, self._slept, self._count = self._reactor.time(), 0.0, 0
        self.resting = False

    def look(self) -> None:
        """Let the doctor notice what only time tells."""
        self._doctor.look(self._reactor.time())

    def begun(self) -> Optional[Event]:
        """The event that began the present turn, where it was heard and nothing has happened since."""
        return self._events[0] if self._events and len(self._events) == 1 else None

    def current(self) -> Optional[Tuple[Seen, Connections]]:
        """The newest turn that was heard to its end, or else the one that has begun; and how all stood at its end."""
        newest = self._ring.newest(1)
        if not newest:
            return (Seen(self._events), self.connections) if self._events else None
        # Mostly nothing was told since then, or the beginning of the next turn, which changes nothing.
        if newest[0] is self._before and (self._events is None or len(self._events) == 1):
            return newest[0], self.connections
        return self._ring.find(newest[0].number)

    def _begin(self, event: Event) -> None:
        self.connections = snapshot(self._reactor)
        self._ring.begin(self.connections.copy())
        self._doctor = self._new_doctor()
        self._events, self._number, self._before = [], event.turn, None

    def _finish(self, event: Event) -> None:
        """A turn is over: this is the first event behind it."""
        assert self._events is not None and self._ring.last is not None
        seen = self._before = Seen(self._events, self._before)
        self._ring.add(seen)
        self._slept += seen.slept
        self._count += len(self._events)
        if self._is_enough(event.time, seen.idle):
            self._events = None
            self.resting = True
            self._rested()
            return
        if self._ring.is_full_stretch():
            self._ring.begin(self.connections.copy())
        self._events, self._number = [], event.turn

    def _is_enough(self, now: float, idle: int) -> bool:
        if self._count < EASE or now - self._since - self._slept < SHARE:
            return False
        if AGAIN <= idle < PROLONGED and now - self._prolonged > 1.0:
            return False
        if idle >= PROLONGED:
            self._prolonged = now
        return True

    # What it has told stays told; but of what was not heard it must not conclude anything.
    def _new_doctor(self) -> Doctor:
        doctor = Doctor(lambda text: self._tell(doctor.findings[-1]), idle=self._idle)
        return doctor

    def _tell(self, finding: Finding) -> None:
        if self._told.setdefault((finding.malady, finding.cause), finding.turn) == finding.turn:
            self._found(finding)
