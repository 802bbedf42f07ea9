"""--trace: what the loop does, as lines for people; --trace=brief: one line a turn.

A terminal gets each line at once, so that a callback that hangs has the line before it on the screen.
"""
from __future__ import annotations

import os
from functools import partial
from itertools import islice
from typing import Dict, List, Optional, TextIO

from reactor.trace import Event, plain

from .lines import Lines
from .words import MOST_NAMES, called, listed, what, who

# The colour says again what the words say: green reads, blue writes, yellow waits, red fails.
_GREEN, _BLUE, _YELLOW, _RED, _GREY = "\033[32m", "\033[34m", "\033[33m", "\033[31m", "\033[90m"
_COLOURS = {
    "turn": _GREY, "ready": _GREY, "quick look": _GREY, "ran": _GREY,
    "received": _GREEN, "ended": _GREEN, "datagram received": _GREEN,
    "sent": _BLUE, "partly sent": _BLUE, "datagram sent": _BLUE,
    "blocked": _YELLOW, "queued": _YELLOW, "datagram queued": _YELLOW, "full": _YELLOW,
    "reading paused": _YELLOW, "writing paused": _YELLOW,
    "error": _RED, "raised": _RED, "failed": _RED, "lost": _RED, "dropped": _RED}
_PLAIN = "\033[0m"


def wants_colour(stream: TextIO) -> bool:
    """True on a terminal, unless NO_COLOR is set or the terminal is a dumb one."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def line(event: Event, began: float = 0.0, colour: bool = False) -> str:
    """One event in aligned columns: seconds since `began`, turn, who, what."""
    # Of all ways to say it the fastest.
    text = "%10.3f %6d  %-5s %s" % (event.time - began, event.turn, who(event), what(event))
    tint = _COLOURS.get(event.kind) if colour else None
    return f"{text}\n" if tint is None else f"{tint}{text}{_PLAIN}\n"


class Printer(Lines):
    """An observer that prints each event as a line.  A stream that breaks ends the trace, and nothing else.

    Each line begins with `whose`, where several share the stream.
    """

    title = f"{'seconds':>10} {'turn':>6}  {'who':<5} what\n"

    def __init__(self, stream: TextIO, now: float, whose: str = "") -> None:
        super().__init__(now, partial(line, colour=True) if wants_colour(stream) else line, {})
        self._stream: Optional[TextIO] = stream
        self._at_once = stream.isatty()
        self._above = self.title  # until the first line
        self._whose = whose

    def __call__(self, event: Event) -> None:
        """Take one event; never raises for what happens to the stream."""
        super().__call__(event)
        if self._at_once:
            self.flush()

    def close(self) -> None:
        """Print what is left.  Twice is once."""
        self.flush()

    def _write(self, lines: str) -> None:
        text, self._above = self._above + lines, ""
        if self._whose:
            text = "".join([f"{self._whose}{line}\n" for line in text.split("\n")[:-1]])
        if self._stream is not None:
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):
                self._stream = None  # nobody is left to tell


class BriefPrinter(Printer):
    """An observer that prints each turn as a line: how long asleep, who was ready, what was done."""

    title = f"{'seconds':>10} {'turn':>6}  {'asleep':>9}  what\n"

    def __init__(self, stream: TextIO, now: float, whose: str = "") -> None:
        super().__init__(stream, now, whose)
        self._done = Deeds()

    def __call__(self, event: Event) -> None:
        """Take one event; never raises for what happens to the stream."""
        if event.kind == "turn":
            self.close()
        self._done.add(event)

    def close(self) -> None:
        """Print the turn as far as it came.  Twice is once."""
        done, self._done = self._done, Deeds()
        text = str(done)
        if text:
            self._write(f"{done.time - self._began:10.3f} {done.turn:6}  {done.slept:7.3f} s  {text}\n")


# In one line a turn, bytes are added up, depths are the last ones, and the rest is said once.
_ADDED = {"received": ("recv", "size"), "sent": ("sent", "taken"), "partly sent": ("sent", "taken"),
          "datagram received": ("recvfrom", "size"), "datagram sent": ("sendto", "size"),
          "dropped": ("dropped", "size")}
_LAST = {"queued": ("queued", "depth"), "datagram queued": ("queued", "depth")}
_SAID = {"accepted": "accepted {connection}", "connected": "connected as {connection}", "failed": "could not connect",
         "blocked": "EAGAIN", "ended": "end of file", "error": "{call}: {why}", "lost": "ends at once",
         "full": "accepts no more", "raised": "{callback} raised {error}", "timer fired": "timer {callback}",
         "end": "end of the recording"}
_UNSAID = {"turn", "ready", "quick look", "ran", "timer set", "timer cancelled"}


class Deeds:
    """What was done in one turn, by whom; str() of it is one line, empty for an idle turn."""

    def __init__(self) -> None:
        self.time = 0.0
        self.turn = 0
        self.slept = 0.0
        self._ready: List[str] = []
        self._done: Dict[str, Dict[str, Optional[int]]] = {}  # who did what, and how many bytes of it

    def add(self, event: Event) -> None:
        """One more event of the same turn."""
        kind, facts = event.kind, event.facts
        if not self._done:
            self.time, self.turn = event.time, event.turn
        if kind == "ready":
            self.slept = facts["slept"]
            self._ready = [*facts["readable"], *facts["writable"]]
        elif kind not in _UNSAID:
            mine = self._done.setdefault(who(event), {})
            if kind in _ADDED:
                verb, fact = _ADDED[kind]
                mine[verb] = (mine.get(verb) or 0) + facts[fact]
            elif kind in _LAST:
                verb, fact = _LAST[kind]
                mine[verb] = facts[fact]
            else:
                if "callback" in facts:
                    facts = dict(facts, callback=called(facts["callback"])[1])
                mine[plain(_SAID.get(kind, kind).format_map(facts))] = None

    def __str__(self) -> str:
        done = [f"{name} " + listed([verb if count is None else f"{verb} {count:,}" for verb, count in mine.items()])
                for name, mine in islice(self._done.items(), MOST_NAMES)]
        ready = f"{listed(self._ready)} ready" if self._ready else ""
        more = len(self._done) - MOST_NAMES
        return "; ".join(part for part in (ready, *done, f"and {more} more" if more > 0 else "") if part)
