"""Stepping through a recording: one turn at a time, forwards and backwards, by lines typed or piped in."""
from __future__ import annotations

from typing import Callable, Optional, TextIO

from .archive import Archive, Turn

HELP = "n or Enter: next   p: previous   g TURN: go to   q: quit"


class Stepper:
    """Asks `keys` what to do until it is told q, or until there are no more lines.

    `show(turn)` prints the events of a turn, and answers whether there was anything to print of it: turns without
    are passed over, in either direction.
    """

    def __init__(self, archive: Archive, show: Callable[[Turn], bool], keys: TextIO, out: TextIO,
                 first: int = 0, last: Optional[int] = None) -> None:
        self._archive = archive
        self._show = show
        self._first = first
        self._last = last
        self._keys = keys
        self._out = out
        self._now = -1  # the turn on the screen

    def run(self) -> None:
        """Begin with the first turn."""
        self._say(HELP)
        self._forward(self._first)
        while True:
            self._say(f"turn {self._now}> " if self._keys.isatty() else "", end="")
            line = self._keys.readline()
            words = line.split(None, 1) or ["n"]
            if not line or words[0] in ("q", "quit"):
                return
            self._obey(*words)

    def _obey(self, word: str, number: str = "") -> None:
        if word in ("n", "next"):
            self._forward(self._now + 1)
        elif word in ("p", "previous"):
            self._back()
        elif word == "g" and number.strip().isdecimal():
            self._forward(max(int(number), self._first))
        else:
            self._say(HELP)

    def _forward(self, turn: int) -> None:
        for events in self._archive.turns(turn, self._last):
            if self._show(events):
                self._now = events[0].turn
                return
        self._say("there is no later turn")

    def _back(self) -> None:
        turn = self._archive.before(self._now)
        while turn is not None and turn[0].turn >= self._first:
            if self._show(turn):
                self._now = turn[0].turn
                return
            turn = self._archive.before(turn[0].turn)
        self._say("there is no earlier turn")

    def _say(self, text: str, end: str = "\n") -> None:
        print(text, file=self._out, end=end, flush=True)
