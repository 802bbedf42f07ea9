"""From the events of one turn to what the page draws: a column of the timeline, and a frame.

Live or recorded makes no difference here, which is why what the page shows of a turn and what a recording of
the same run shows of it are the same.  Nothing is ever guessed: what is not known is None.
"""
from __future__ import annotations

from typing import Any, Dict, List, Optional

from reactor.trace import Event

from ..glassbox.archive import Turn
from ..glassbox.columns import AGAIN, MARKS, gist
from ..glassbox.doctor import NO_SLEEP, SLOW
from ..glassbox.recording import escaped
from ..glassbox.state import Connection, Connections
from ..glassbox.words import what, who

MOST_WORDS = 60
MOST_CONNECTIONS = 100
LETTERS = {"r": "read", "w": "wrote", "e": "was told to try again later (EAGAIN)", "a": "something began",
           "c": "something was closed", "x": "something failed", "S": f"a callback took over {SLOW:.0f} ms",
           "@": "spinning: somebody is ready again and nothing is done about it"}
_LETTER_OF_MARK = {"read": "r", "ended": "r", "wrote": "w", "partly": "w", "blocked": "e", "begun": "a", "closed": "c",
                   "failed": "x"}
_LETTER = {kind: _LETTER_OF_MARK[mark] for kind, mark in MARKS.items()}

Figures = Dict[str, Any]  # what only the kernel and the live object know of a connection


class Seen:
    """What was seen of one turn: all its events, in order."""

    __slots__ = ("number", "events", "ready", "slept", "awake", "letters", "note", "idle", "figures")

    def __init__(self, events: Turn, before: Optional[Seen] = None) -> None:
        self.number = events[0].turn
        self.events = events
        self.ready, self.slept, did = gist(events)
        answered = next((event.time for event in events if event.kind == "ready"), events[-1].time)
        self.awake = events[-1].time - answered
        # How many turns in a row, this one included, found nothing to do although they did not sleep.
        restless = not did and self.slept < NO_SLEEP
        self.idle: int = restless * (1 + (before.idle if before is not None else 0))
        self.letters, self.note = self._letters()
        self.figures: Dict[str, Figures] = {}

    def _letters(self) -> Any:
        letters, note = set(map(_letter, self.events)), ""
        for event in self.events:
            if event.kind == "ran" and event.facts["milliseconds"] > SLOW:
                letters.add("S")
                note = note or f"{event.facts['callback']} {event.facts['milliseconds']:,.0f} ms"
        if self.idle >= AGAIN and self.ready:
            letters.add("@")
            note = note or f"{self.ready[0]} is ready again"
        return "".join(letter for letter in LETTERS if letter in letters), note

    def column(self, began: float) -> List[Any]:
        """One column of the timeline; `began` is the moment that the page calls 0."""
        return [self.number, round(self.events[0].time - began, 6), round(self.slept, 6), round(self.awake, 6),
                self.letters, self.note]

    def fact(self, kind: str, name: str, default: Any) -> Any:
        """What the first event of that kind says; the default where there is none."""
        return next((event.facts[name] for event in self.events if event.kind == kind), default)


def _letter(event: Event) -> str:
    """What we end at once is closed, and did not fail."""
    return "c" if event.kind == "lost" and event.facts["why"] == "by us" else _LETTER.get(event.kind, "")


def slim(event: Event) -> Event:
    """The event without its bytes, of which only the head is shown."""
    facts = event.facts
    if "data" not in facts:
        return event
    facts = dict(facts)
    facts["head"] = escaped(facts.pop("data"))
    return event._replace(facts=facts)


def frame(seen: Seen, connections: Connections, began: float = 0.0, windows: bool = False) -> Dict[str, Any]:
    """All that the page shows of a turn; `connections` as they stand at its end."""
    writing = seen.fact("turn", "writing", [])
    shown = rows_of(seen, connections)
    column = seen.column(began)
    quick = seen.fact("quick look", "busy", None)
    return {
        "turn": seen.number, "t": column[1], "slept": column[2], "awake": column[3],
        "reading": seen.fact("turn", "reading", []), "writing": writing, "third": writing if windows else [],
        "timeout": seen.fact("turn", "timeout", None), "why": seen.fact("turn", "why", ""),
        "readable": seen.fact("ready", "readable", []), "writable": seen.fact("ready", "writable", []),
        "quick": None if quick is None else [quick, seen.fact("quick look", "all", 0)],
        "words": [[who(event), what(event), event.kind] for event in seen.events[:MOST_WORDS]],
        "more": max(len(seen.events) - MOST_WORDS, 0),
        "connections": [_row(connection, seen.figures.get(connection.name, {})) for connection in shown],
        "others": len(connections.open) - len(shown), "column": column}


def rows_of(seen: Seen, connections: Connections) -> List[Connection]:
    """Of whom a frame has a row, in order; where that is too many, whoever this turn is about is among them."""
    rows = sorted(connections.open.values(), key=number)
    if len(rows) <= MOST_CONNECTIONS:
        return rows
    concerned = {who(event) for event in seen.events}
    return sorted(sorted(rows, key=lambda row: row.name not in concerned)[:MOST_CONNECTIONS], key=number)


def number(connection: Connection) -> int:
    """12 of #12, so that the order is that of their beginnings."""
    digits = connection.name[1:]
    return int(digits) if digits.isdigit() else 0


def _row(connection: Connection, figures: Figures) -> Dict[str, Any]:
    row = {"name": connection.name, "sort": connection.sort, "peer": connection.peer, "server": connection.server,
           "states": connection.states, "depth": connection.depth,
           "received": connection.received if connection.begun else None,
           "sent": connection.sent if connection.begun else None}
    return {**row, **UNKNOWN, **figures}


UNKNOWN: Figures = dict.fromkeys(("high", "low", "kernel", "theirs", "arrived"))
