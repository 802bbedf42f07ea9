"""A recording as a book of turns: read from any turn on, forwards and backwards, in memory that does not grow.

Events that belong together stand together: those of one turn, and before them what happened between it and
the turn before.  While it is read, a bookmark is kept every so many turns; when there are too many, every
other one is thrown away and the distance doubles.  So to go back costs the reading of a few hundred turns
at most, and a file of any length costs a thousand bookmarks.
"""
from __future__ import annotations

from bisect import bisect_right
from typing import Any, BinaryIO, Iterator, List, NamedTuple, Optional

from reactor.trace import Event

from .recording import Recording

MOST = 1024  # bookmarks
Turn = List[Event]  # never empty, all with the same number


class _Bookmark(NamedTuple):
    """Where the reader stood before the first event of a turn."""

    turn: int
    position: int
    line: int
    reading: List[Any]


class Archive(Recording):
    """A recording in a file that can be sought in.  Only the iterator that was made last may be used."""

    def __init__(self, file: BinaryIO, name: str = "the file") -> None:
        super().__init__(file, name)
        self._distance = 1
        self._count = 0  # of the turns before the next one to be read
        self._bookmarks = [self._bookmark(-1)]

    def turns(self, first: int = 0, last: Optional[int] = None) -> Iterator[Turn]:
        """The turns whose number is at least `first` and at most `last`, in order."""
        self._go(first)
        events: Turn = []
        while True:
            here = self._bookmark(0)
            event = self._read()
            if events and (event is None or event.turn != events[0].turn):
                if events[0].turn >= first:
                    yield events
                events = []
            if event is None or last is not None and event.turn > last:
                return
            if not events:
                self._keep(here._replace(turn=event.turn))
            events.append(event)

    def before(self, turn: int) -> Optional[Turn]:
        """The last turn with a lower number; None where there is none."""
        found = None
        start = self._bookmarks[max(bisect_right(self._numbers(), turn - 1) - 1, 0)].turn
        for found in self.turns(start, turn - 1):
            pass
        return found

    def _read(self) -> Optional[Event]:
        line = self._next()
        return None if line is None else self._event(self._parse(line))

    # -- bookmarks

    def _bookmark(self, turn: int) -> _Bookmark:
        return _Bookmark(turn, self.position, self._line, self._reading)

    def _numbers(self) -> List[int]:
        return [bookmark.turn for bookmark in self._bookmarks]

    def _go(self, turn: int) -> None:
        # Never past the beginning of the turn: what comes before the first bookmark is the header.
        place = max(bisect_right(self._numbers(), turn) - 1, 0)
        _, self.position, self._line, self._reading = self._bookmarks[place]
        self._count = place * self._distance
        self._file.seek(self.position)

    def _keep(self, bookmark: _Bookmark) -> None:
        self._count += 1
        if self._count == len(self._bookmarks) * self._distance:
            self._bookmarks.append(bookmark)
            if len(self._bookmarks) > MOST:
                del self._bookmarks[1::2]
                self._distance *= 2
