"""A recording that was opened on the page: its turns as the same frames and columns as those of the live loop."""
from __future__ import annotations

import contextlib
import time
from bisect import bisect_right
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, NamedTuple, Optional

from ..glassbox.archive import Archive, Turn
from ..glassbox.columns import AGAIN
from ..glassbox.recording import NotARecording
from ..glassbox.state import Connections
from .frames import Seen, frame

SLICE = 0.004  # seconds of reading at a time, so that the loop goes on meanwhile
MOST_MARKS = 64  # places from which the states are worked out
MOST_COLUMNS = 400  # in one answer


class _Mark(NamedTuple):
    """How everything stood before a turn."""

    turn: int
    connections: Connections


class Replay:
    """Made by read_all(); NotARecording where the file is something else."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._archive = Archive(file, name)
        self._name = name
        self._windows = self._archive.header.get("platform") == "win32"
        self._marks: List[_Mark] = []
        self._distance = 1
        self.turns = 0
        self.first = self.last = 0

    def reading(self) -> Iterator[None]:
        """Read it all, in slices of SLICE seconds; to be iterated to the end before anything else is asked for."""
        connections, turns = Connections(), self._archive.turns()
        until = time.monotonic() + SLICE
        while self._read_turn(turns, connections):
            if time.monotonic() > until:
                yield
                until = time.monotonic() + SLICE
        if not self.turns:
            raise NotARecording(f"{self._name} has no turn in it")

    def _read_turn(self, turns: Iterator[Turn], connections: Connections) -> bool:
        with self._sound():
            events = next(turns, None)
            if events is None:
                return False
            self._count(events[0].turn, connections)
            seen = Seen(events)
            seen.column(0.0)
            for event in events:
                connections.apply(event)
            if self.turns == 1:
                frame(seen, connections)
            return True

    @contextlib.contextmanager
    def _sound(self) -> Iterator[None]:
        """While inside, whatever an event lacks or has too much means that this is no recording."""
        try:
            yield
        except NotARecording:
            raise
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as exc:
            raise NotARecording(f"{self._name} is no recording: {exc!r} in or after turn {self.last}") from exc

    def _count(self, number: int, connections: Connections) -> None:
        if self.turns % self._distance == 0:
            if len(self._marks) == MOST_MARKS:
                del self._marks[1::2]
                self._distance *= 2
            if self.turns % self._distance == 0:
                self._marks.append(_Mark(number, connections.copy()))
        if not self.turns:
            self.first = number
        self.turns += 1
        self.last = number

    def summary(self) -> Dict[str, Any]:
        """Its name, how many turns it has, and the numbers of the first and the last."""
        return {"name": self._name, "turns": self.turns, "first": self.first, "last": self.last}

    def frame(self, number: int) -> Optional[Dict[str, Any]]:
        """The frame of a turn; None where the recording has no such turn."""
        with self._sound():
            return self._frame(number)

    def _frame(self, number: int) -> Optional[Dict[str, Any]]:
        mark = self._marks[max(bisect_right([mark.turn for mark in self._marks], number) - 1, 0)]
        connections, before = mark.connections.copy(), None
        for events in self._archive.turns(mark.turn, number):
            before = Seen(events, before)
            for event in events:
                connections.apply(event)
        if before is None or before.number != number:
            return None
        return frame(before, connections, windows=self._windows)

    def columns(self, first: int, count: int) -> List[List[Any]]:
        """The columns of the turns from that number on, at most so many."""
        with self._sound():
            return self._columns(first, count)

    def _columns(self, first: int, count: int) -> List[List[Any]]:
        found: List[List[Any]] = []
        before: Optional[Seen] = None
        for events in self._archive.turns(max(first - AGAIN, 0)):
            before = Seen(events, before)
            if before.number >= first:
                found.append(before.column(0.0))
            if len(found) >= min(count, MOST_COLUMNS):
                break
        return found

    def close(self) -> None:
        """Close the file.  Twice is once."""
        self._archive.close()


def read_all(file: BinaryIO, name: str, call_later: Callable[..., Any],
             done: Callable[[Any], object]) -> None:
    """Read a recording little by little; `done` is called with the Replay, or with what is wrong with the file."""
    try:
        replay = Replay(file, name)
    except (NotARecording, OSError) as exc:
        file.close()
        done(exc)
        return
    slices = replay.reading()

    def go_on() -> None:
        try:
            next(slices)
        except StopIteration:
            done(replay)
        except (NotARecording, OSError) as exc:
            replay.close()
            done(exc)
        else:
            call_later(SLICE, go_on)
    go_on()
