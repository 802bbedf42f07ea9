"""A recording of any length as at most a few hundred columns: what the timeline draws.

One pass, one turn after another.  A column is one turn, until there are too many: then neighbours become one
and each holds twice as many turns, and so on.  So memory and picture stay bounded, and what a column
says stays true: marks say "at least once in these turns", depths are the greatest, sums are sums.
"""
from __future__ import annotations

from typing import Dict, List, Optional, Set, Tuple

from reactor.trace import Event

from .archive import Turn
from .doctor import NO_SLEEP, SLOW
from .state import Connection, Connections
from .words import LOOP, what, who

MOST_COLUMNS = 160
MOST_LANES = 24
OTHERS = "others"
MOST_SAID = 4  # sentences of one cell
AGAIN = 20  # turns in a row with somebody ready and nothing done, from which on the loop is said to spin

MARKS = {"received": "read", "datagram received": "read", "sent": "wrote", "datagram sent": "wrote",
         "partly sent": "partly", "blocked": "blocked", "ended": "ended", "closed": "closed", "failed": "closed",
         "accepted": "begun", "adopted": "begun", "connecting": "begun", "connected": "begun", "listening": "begun",
         "opened": "begun", "error": "failed", "raised": "failed", "lost": "failed"}
_UNSAID = {"turn", "quick look", "timer set", "timer cancelled", "timer fired"}


def gist(turn: Turn) -> Tuple[List[str], float, bool]:
    """Who was ready, how long select slept, and whether anything was done that the events tell of."""
    ready: List[str] = []
    slept = 0.0
    did = False
    for event in turn:
        if event.kind == "ready":
            slept += event.facts["slept"]
            ready += [*event.facts["readable"], *event.facts["writable"]]
        elif event.kind not in ("turn", "ran", "quick look"):
            did = did or event.kind != "ended" and event.facts.get("taken") != 0
    return ready, slept, did


class Cell:
    """One lane in one column."""

    __slots__ = ("marks", "depth", "last_depth", "paused", "said", "unsaid")

    def __init__(self) -> None:
        self.marks: Set[str] = set()
        self.depth = self.last_depth = 0  # bytes queued: at most, and at the end
        self.paused = False  # its reading, at the end
        self.said: List[str] = []
        self.unsaid = 0

    def say(self, sentence: str) -> None:
        """Keep the sentence, or count it where there are enough."""
        if len(self.said) < MOST_SAID:
            self.said.append(sentence)
        else:
            self.unsaid += 1

    def absorb(self, later: Cell) -> None:
        """Be this cell and the next one."""
        self.marks |= later.marks
        self.depth = max(self.depth, later.depth)
        self.last_depth, self.paused = later.last_depth, later.paused
        self.unsaid += later.unsaid
        for sentence in later.said:
            self.say(sentence)


class Column:
    """Some turns that follow each other."""

    def __init__(self, first: Event) -> None:
        self.time = first.time  # at its beginning
        self.first = self.last = first.turn
        self.turns = 1
        self.slept = 0.0  # seconds in all
        self.cells: Dict[str, Cell] = {}

    def cell(self, lane: str) -> Cell:
        """The cell of a lane, made when it is first asked for."""
        return self.cells.setdefault(lane, Cell())

    def absorb(self, later: Column) -> None:
        """Be this column and the next one."""
        self.last = later.last
        self.turns += later.turns
        self.slept += later.slept
        for lane, cell in later.cells.items():
            if lane in self.cells:
                self.cells[lane].absorb(cell)
            else:
                self.cells[lane] = cell


class Lane:
    """One endpoint, from its first column to its last; or all those for which there was no lane left."""

    def __init__(self, name: str, connection: Optional[Connection] = None) -> None:
        self.name = name
        self.sort = "" if connection is None else connection.sort
        self.peer = "" if connection is None else connection.peer
        self.received = self.sent = self.highest = 0
        self.members = 1


class Columns:
    """Add turn after turn; then read `columns`, `lanes`, `each` (turns in a column) and `turns`."""

    def __init__(self, only: Optional[Set[str]] = None) -> None:
        self._only = only  # the connections that shall have a lane
        self.columns: List[Column] = []
        self.lanes: Dict[str, Lane] = {LOOP: Lane(LOOP)}
        self.each = 1
        self.turns = 0
        self._connections = Connections()
        self._empty_handed = 0  # turns in a row in which somebody was ready and nothing was done
        self._lane_of: Dict[str, str] = {}

    def add(self, turn: Turn) -> None:
        """One more turn."""
        column = self._column(turn[0])
        ready, slept, did = gist(turn)
        for event in turn:
            self._see(event, column)
        column.slept += slept
        self._empty_handed = self._empty_handed + 1 if ready and not did and slept < NO_SLEEP else 0
        if self._empty_handed >= AGAIN:
            self._spin(column, turn[0].turn, ready)

    def _column(self, first: Event) -> Column:
        if self.turns % self.each == 0:
            if len(self.columns) == MOST_COLUMNS:
                self._halve()
            self.columns.append(Column(first))
        else:
            self.columns[-1].absorb(Column(first))
        self.turns += 1
        return self.columns[-1]

    def _halve(self) -> None:
        for place in range(0, len(self.columns), 2):
            self.columns[place].absorb(self.columns[place + 1])
        del self.columns[1::2]
        self.each *= 2

    def _see(self, event: Event, column: Column) -> None:
        connection = self._connections.apply(event)
        kind = event.kind
        if kind == "ran":
            if event.facts["milliseconds"] > SLOW:
                self._mark(column.cell(self._lane_of.get(who(event), LOOP)), "slow", event)
        elif connection is None:
            if kind in ("raised", "end", "ready"):
                self._mark(column.cell(LOOP), MARKS.get(kind, ""), event)
        elif kind not in _UNSAID and (self._only is None or connection.name in self._only):
            lane = self._lane(connection)
            cell = column.cell(lane.name)
            self._mark(cell, MARKS.get(kind, ""), event)
            self._note(cell, lane, connection, event)
            if kind == "closed":
                self._lane_of.pop(connection.name, None)

    def _mark(self, cell: Cell, mark: str, event: Event) -> None:
        if mark:
            cell.marks.add(mark)
        if event.kind != "ready":
            cell.say(f"turn {event.turn}: {who(event)} {what(event)}")

    def _lane(self, connection: Connection) -> Lane:
        if connection.sort in ("listener", "connector"):
            return self.lanes[LOOP]
        name = self._lane_of.get(connection.name)
        if name is None:
            name = connection.name if len(self.lanes) <= MOST_LANES else OTHERS
            self._lane_of[connection.name] = name
            if name in self.lanes:
                self.lanes[name].members += 1
            else:
                self.lanes[name] = Lane(name, connection)
        return self.lanes[name]

    def _note(self, cell: Cell, lane: Lane, connection: Connection, event: Event) -> None:
        cell.depth = max(cell.depth, connection.depth)
        cell.last_depth, cell.paused = connection.depth, connection.reading_paused
        lane.highest = max(lane.highest, connection.depth)
        if MARKS.get(event.kind) == "read":
            lane.received += event.facts["size"]
        elif MARKS.get(event.kind) in ("wrote", "partly"):
            lane.sent += event.facts.get("taken", event.facts.get("size", 0))

    def _spin(self, column: Column, turn: int, ready: List[str]) -> None:
        for name in {self._lane_of.get(name, LOOP) for name in ready} | {LOOP}:
            cell = column.cell(name)
            if "spinning" not in cell.marks:
                cell.marks.add("spinning")
                cell.say(f"turn {turn}: spinning, {', '.join(ready[:3])} ready again and nothing was done about it")
