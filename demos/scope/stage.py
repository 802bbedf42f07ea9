"""What an experiment works with."""
from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Callable, List

from reactor import Reactor
from reactor.timers import Timer

from .gate import Gate

if TYPE_CHECKING:
    from .controls import Controls

MOST_TEXT = 500  # characters of a note

log = logging.getLogger("demos.scope")


class Stage:
    """From the beginning of an experiment to its end: what it opens here is closed then, last first.

    `reactor` is the observed loop: servers of one's own listen there.  `page` is the page's loop: clients run there,
    so that they go on while the observed loop is held.  `scope` is what the buttons of the page do.
    """

    def __init__(self, id: int, reactor: Reactor, gate: Gate, scope: Controls) -> None:
        self.id = id
        self.reactor = reactor
        self.page: Reactor = gate.page
        self.scope = scope
        self.text = ""
        self._gate = gate
        self._opened: List[Any] = []
        self._timers: List[Timer] = []
        self._ended = False

    def note(self, text: str) -> None:
        """Show this on the page, in place of the last note."""
        self.text = text[:MOST_TEXT]

    def opened(self, thing: Any) -> Any:
        """Let thing.close() be called at the end; the thing."""
        self._opened.append(thing)
        return thing

    def later(self, seconds: float, function: Callable[..., object], *args: Any) -> Timer:
        """Call it in so many seconds of the page's clock, unless the experiment has ended by then."""
        self._timers = [timer for timer in self._timers if timer.callback is not None]
        timer = self.page.call_later(seconds, self._call, function, args)
        self._timers.append(timer)
        return timer

    def nudge(self) -> None:
        """The observed loop was given something to do from a callback of the page's loop: let it look."""
        self._gate.nudge()

    def end(self) -> None:
        """Close everything.  Twice is once."""
        self._ended = True
        for timer in self._timers:
            timer.cancel()
        while self._opened:
            thing = self._opened.pop()
            try:
                thing.close()
            except Exception:
                log.exception("an experiment could not close %r", thing)

    def _call(self, function: Callable[..., object], args: Any) -> None:
        if not self._ended:
            function(*args)
            self._gate.nudge()
