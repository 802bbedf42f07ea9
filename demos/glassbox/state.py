"""How every connection stands, known from the events alone, live or recorded.

Feed each event to `Connections.apply` in order; between any two of them `open` tells of every
endpoint what the loop itself would tell.  Memory grows with what is open, not with what has happened.
"""
from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional

from reactor.trace import Event

# The flags of a connection, in words.
FLAGS = (("lost", "lost"), ("reading_paused", "reading paused"), ("writing_paused", "writing paused"),
         ("peer_ended", "peer ended"), ("half_closing", "half-closing"), ("half_closed", "half-closed"),
         ("closing", "closing"))
KEPT = 100  # endpoints that have ended, for whoever wants to show them


class Connection:
    """One endpoint: a connection, or a "listener", "connector" or "datagram socket"."""

    __slots__ = ("name", "sort", "peer", "turn", "server", "begun", "received", "sent", "depth", "highest",
                 "reading_paused", "writing_paused", "half_closing", "half_closed", "peer_ended", "closing", "lost",
                 "closed", "why")

    def __init__(self, name: str, sort: str, turn: int, peer: str = "") -> None:
        self.name = name
        self.sort = sort
        self.peer = peer
        self.turn = turn  # in which it began
        self.server = ""  # the listener that accepted it
        self.begun = True  # its beginning was seen, so `received` and `sent` are all there ever was
        self.received = self.sent = 0  # bytes
        self.depth = self.highest = 0  # bytes in its queue, now and at most
        self.reading_paused = False
        self.writing_paused = False
        self.half_closing = False  # write_eof() was called, its queue is not empty yet
        self.half_closed = False  # the peer will read end of file
        self.peer_ended = False  # the peer half-closed
        self.closing = False
        self.lost = False  # nothing is read or sent any more
        self.closed: Optional[int] = None  # the turn
        self.why = ""

    @property
    def states(self) -> List[str]:
        """All that is true of it: open, or any of reading paused, writing paused ... closed."""
        if self.closed is not None:
            return ["closed"]
        if self.lost:
            return ["lost"]
        return [word for flag, word in FLAGS[1:] if getattr(self, flag)] or ["open"]

    def copy(self) -> Connection:
        """Another one, as this stands now."""
        made = Connection.__new__(Connection)
        for name in self.__slots__:
            setattr(made, name, getattr(self, name))
        return made

    def __repr__(self) -> str:
        return f"<{self.name} {', '.join(self.states)}, {self.depth:,} bytes queued>"


class Connections:
    """Every endpoint that is open, by name, and the last ones that are not any more."""

    def __init__(self) -> None:
        self.open: Dict[str, Connection] = {}
        self.ended: Deque[Connection] = deque(maxlen=KEPT)
        self.turn = 0

    def apply(self, event: Event) -> Optional[Connection]:
        """What happened, happens here; the endpoint that it happened to, None where it was to nobody."""
        self.turn = event.turn
        facts = event.facts
        begin = _BEGINNINGS.get(event.kind)
        if begin is not None:
            return self._begin(begin, event)
        if event.kind == "found":
            return self._found(event)
        who = facts.get("who")
        if who is None:
            return None
        # A recording may have begun when this one was there already.
        connection = self.open.get(who)
        if connection is None:
            connection = self._new(who, "connection", event.turn)
            connection.begun = False
        change = _CHANGES.get(event.kind)
        if change is not None:
            change(connection, facts)
        if event.kind in ("closed", "connected", "failed"):
            connection.closed = event.turn
            self.ended.append(self.open.pop(who))
        if event.kind == "connected":
            return self._new(facts["connection"], "connection", event.turn, facts["where"])
        return connection

    def copy(self) -> Connections:
        """What is open, as it stands now."""
        made = Connections()
        made.turn = self.turn
        made.open = {name: connection.copy() for name, connection in self.open.items()}
        return made

    def _begin(self, sort: str, event: Event) -> Connection:
        facts = event.facts
        if event.kind == "accepted":
            made = self._new(facts["connection"], sort, event.turn, facts["peer"])
            made.server = facts["who"]
            return made
        return self.open.get(facts["who"]) or self._new(facts["who"], sort, event.turn, facts.get("address", ""))

    def _found(self, event: Event) -> Connection:
        facts = event.facts
        connection = self._new(facts["who"], facts["sort"], event.turn, facts["peer"])
        connection.server = facts["server"]
        connection.depth = connection.highest = facts["depth"]
        connection.begun = facts["received"] is not None
        connection.received, connection.sent = facts["received"] or 0, facts["sent"] or 0
        for flag, word in FLAGS:
            setattr(connection, flag, word in facts["states"])
        return connection

    def _new(self, name: str, sort: str, turn: int, peer: str = "") -> Connection:
        self.open[name] = made = Connection(name, sort, turn, peer)
        return made


_BEGINNINGS = {"listening": "listener", "accepted": "connection", "adopted": "connection",
               "connecting": "connector", "opened": "datagram socket"}


def _received(connection: Connection, facts: Dict[str, Any]) -> None:
    connection.received += facts["size"]


def _sent(connection: Connection, facts: Dict[str, Any]) -> None:
    connection.sent += facts["taken"]
    # A send while the queue is empty comes straight from write().
    connection.depth = max(connection.depth - facts["taken"], 0)


def _datagram_sent(connection: Connection, facts: Dict[str, Any]) -> None:
    connection.sent += facts["size"]
    connection.depth = max(connection.depth - facts["size"], 0)


def _error(connection: Connection, facts: Dict[str, Any]) -> None:
    connection.depth = max(connection.depth - facts.get("size", 0), 0)


def _queued(connection: Connection, facts: Dict[str, Any]) -> None:
    connection.depth = facts["depth"]
    connection.highest = max(connection.highest, connection.depth)


def _half_closed(connection: Connection, facts: Dict[str, Any]) -> None:
    connection.half_closing = False
    connection.half_closed = True


def _lost(connection: Connection, facts: Dict[str, Any]) -> None:
    connection.lost = True
    connection.depth = 0
    connection.why = facts["why"]


def _flag(name: str, value: bool) -> Callable[[Connection, Dict[str, Any]], None]:
    return lambda connection, facts: setattr(connection, name, value)


_CHANGES: Dict[str, Callable[[Connection, Dict[str, Any]], None]] = {
    "received": _received,
    "datagram received": _received,
    "sent": _sent,
    "partly sent": _sent,
    "datagram sent": _datagram_sent,
    "error": _error,
    "queued": _queued,
    "datagram queued": _queued,
    "ended": _flag("peer_ended", True),
    "reading paused": _flag("reading_paused", True),
    "reading resumed": _flag("reading_paused", False),
    "writing paused": _flag("writing_paused", True),
    "writing resumed": _flag("writing_paused", False),
    "half-closing": _flag("half_closing", True),
    "half-closed": _half_closed,
    "closing": _flag("closing", True),
    "lost": _lost,
    "closed": _lost,
    "failed": _lost,
}
