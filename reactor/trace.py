"""What the loop tells about itself: each thing that can happen, its facts and its sentence.

`loop.observer` is called with one Event at a time, in the order in which things happen, on the
loop's thread.  While it is None no event is even made: the glass box costs one `if` a line.

An event has a time (the loop's clock, seconds), the number of its turn, a kind, and the facts named
in that kind's sentence below.  A connection is `who`, #5 say, for its whole life.  `data` are the very
bytes, and `reading` is the same list object for as long as nobody comes or goes: an observer must
change neither.  str(event) is the sentence.
"""
from __future__ import annotations

import logging
from typing import Any, Callable, Dict, NamedTuple, Optional

log = logging.getLogger("reactor")

SENTENCES = {
    # The turn: whom select is asked about and why, what it answers, what is run because of it.
    "turn": "turn {turn}: select waits {patience} for {reading}{writing}",
    "ready": "ready after {slept:.3f} s: {readable}{writable}",
    "quick look": "a quick look at the {busy} busy ones of {all}",
    "ran": "ran {callback} in {milliseconds:.3f} ms",
    "raised": "{callback} raised {error}",
    # Coming and going.
    "listening": "{who} listens on {address}",
    "accepted": "{who} accepted {connection} from {peer}",
    "full": "{who} has {connections} connections and accepts no more until one ends: {why}",
    "connecting": "{who} connects to {address}",
    "connected": "{who} is connected to {where} and goes on as {connection}",
    "failed": "{who} could not connect: {why}",
    "adopted": "{who} was adopted",
    "opened": "{who} sends and receives datagrams as {address}",
    "half-closing": "{who} half-closes after {depth:bytes} still to be sent",
    "half-closed": "{who} half-closed: we send no more",
    "closing": "{who} closing: {depth:bytes} still to be sent",
    "lost": "{who} ends at once: {why}",
    "closed": "{who} closed: {why}",
    # Bytes.  "blocked" is EAGAIN: an answer, not an error.
    "received": "{who} recv: {size:bytes} {head}",
    "ended": "{who} recv: end of file, the peer sends no more",
    "sent": "{who} send: the kernel took all {taken:bytes} {head}",
    "partly sent": "{who} send: offered {offered:,}, the kernel took {taken:,}, {left:,} still ours",
    "blocked": "{who} {call}: not now (EAGAIN)",
    "error": "{who} {call}: {why}",
    "queued": "{who} queued {size:bytes}, {depth:,} in all",
    "dropped": "{who} drops {size:bytes}: {why}",
    "datagram received": "{who} recvfrom: {size:bytes} from {peer} {head}",
    "datagram sent": "{who} sendto: {size:bytes} to {peer} {head}",
    "datagram queued": "{who} queued a datagram of {size:bytes}, {depth:bytes} in all",
    # Flow control.
    "reading paused": "{who} paused reading",
    "reading resumed": "{who} resumed reading",
    "writing paused": "{who} has {depth:bytes} queued, above the high-water mark: its protocol pauses writing",
    "writing resumed": "{who} has {depth:bytes} queued, at most the low-water mark: its protocol resumes writing",
    # Time.
    "timer set": "timer set: {callback} in {delay:.3f} s",
    "timer fired": "timer fired: {callback}, {late:.3f} s late",
    "timer cancelled": "timer cancelled: {callback}",
}

SHOWN = 40  # bytes of data that a sentence shows


class Event(NamedTuple):
    """One thing that happened."""

    time: float
    turn: int
    kind: str
    facts: Dict[str, Any]

    def __str__(self) -> str:
        return plain(SENTENCES[self.kind].format_map(Words(self)))


def plain(text: str) -> str:
    """The text on one line: what cannot be printed is escaped, so that no peer can play with a terminal."""
    return text if text.isprintable() else "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


_new = tuple.__new__  # an Event in half the time


def in_bytes(count: int) -> str:
    """1 byte, 1,234 bytes."""
    return "1 byte" if count == 1 else f"{count:,} bytes"


class Count(int):
    """A whole number that can be formatted as `bytes`."""

    def __format__(self, how: str) -> str:
        return in_bytes(self) if how == "bytes" else super().__format__(how)


class Words(Dict[str, Any]):
    """The facts of an event for its sentence: those that are lists, counts or bytes in words."""

    def __init__(self, event: Event) -> None:
        super().__init__(event.facts, turn=event.turn)

    def __missing__(self, name: str) -> str:
        if name == "head":
            data = self["data"]
            shown = repr(bytes(data[:SHOWN]))[1:] if isinstance(data, (bytes, memoryview)) else "of a file"
            return shown + (" ..." if len(data) > SHOWN else "")
        timeout, why = self["timeout"], self["why"]
        return "for ever" if timeout is None else f"at most {timeout:.3f} s ({why})"

    def __getitem__(self, name: str) -> Any:
        fact = super().__getitem__(name)
        if name in ("size", "taken", "depth"):
            return Count(fact)
        if name == "readable":
            return ", ".join(fact) or "nobody"
        if name == "writable":
            return "; to write: " + ", ".join(fact) if fact else ""
        if name == "peer" and not isinstance(fact, str):
            return ":".join(map(str, fact[:2])) if fact else "its peer"
        if name == "reading":
            return ", ".join(f"{who} ({why})" for who, why in fact) or "nobody"
        if name == "writing":
            return "".join(f"; to write: {who} ({why})" for who, why in fact)
        return fact


class Observable:
    """Something with turns that tells an observer what happens in them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.time = clock
        self.turns = 0
        self.observer: Optional[Callable[[Event], object]] = None

    def tell(self, kind: str, **facts: Any) -> None:
        """Tell the observer, if there is one, what happened."""
        self.hand(kind, facts)

    def hand(self, kind: str, facts: Dict[str, Any]) -> None:
        """As tell().  An observer that raises is taken off: it must not change what it watches."""
        try:
            if self.observer is not None:
                self.observer(_new(Event, (self.time(), self.turns, kind, facts)))
        except Exception:
            self.observer = None
            log.exception("the observer raised, and is not called any more")
