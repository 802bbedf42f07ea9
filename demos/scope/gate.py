"""Two loops on one select: the page's loop turns inside the select call of the loop that it watches.

Theory of operation

1. `reactor.select = gate` puts the gate where select was.  Asked by the observed loop, it turns the page's loop
   until the observed loop has its answer.  The page's loop sleeps in `_ask_both`, which asks one real select
   about the sockets of both, and divides the answer.
2. The observed loop cannot tell the difference: the same three lists in the same order, the same timeout.  Its
   turns, its events and a recording of them are those of a program without a page.
3. To hold the observed loop is not to answer it: then only the page's sockets are asked about, and the wake-up
   socket, which is how signals and other threads get through.  A step lets one turn through.  In slow motion a
   turn is answered no sooner than so long after the one before.
4. While it is held the clock of the observed loop stands still, so that nobody's time is up when it goes on.  The
   page's clock is the real one.
5. Most turns find only the observed loop's sockets ready, and nothing due on the page.  They cost two
   concatenations and one comparison, and the page's loop does not turn.
"""
from __future__ import annotations

import time
from typing import Any, Callable, FrozenSet, Optional, Sequence, Tuple, Union

from reactor import Reactor
from reactor.loop import Answer

from ..glassbox.watchdog import Awake

NOBODY: Answer = ([], [], [])
NEVER = float("inf")
LONG = 3600.0  # seconds that the page's loop sleeps at most
INSTANT = 0.00005  # seconds below which nobody slept: select was asked, and answered
MOMENT = 0.05  # seconds, where select cannot hold the sockets of both loops at once

Lists = Tuple[Sequence[int], Sequence[int], Sequence[int]]


class PageLoop(Reactor):
    """The page's loop; `due` is the moment until which it has nothing to do, unless a socket of its own is ready."""

    def __init__(self, **seams: Any) -> None:
        super().__init__(**seams)
        self.due = 0.0

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Any:
        """As any loop's."""
        self.due = 0.0
        return super().call_soon(callback, *args)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Any:
        """As any loop's."""
        self.due = min(self.due, when)
        return super().call_at(when, callback, *args)


class Gate:
    """Stands in for the select of `reactor`, from open() to close(); `page` is the loop that turns inside it."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._real, self._clock = reactor.select, reactor.time
        reactor.time = self.time  # from the beginning, since others keep it
        self.page = PageLoop(select=self._ask_both, clock=self._clock)
        self.paused = False
        self.pace = 0.0  # seconds from one answer to the next, at least
        self.longest = 0.0, 0  # seconds for which a turn was awake, and which that was; somebody may set it to 0 again
        self.spent = 0.0  # seconds of this thread's time, in which the page's loop was turned
        self._slept = 0.0  # seconds, to the end of the last sleep
        self._fell = 0.0, 0.0  # when it fell asleep last, and what the page's loop had spent then
        self._lost = 0.0  # seconds that the clock stood still
        self._stood: Optional[float] = None  # since when it stands
        self._let_through = -1  # the turn that a step lets through
        self._answered = -1, 0.0  # the last turn that was answered, and when
        self._awake: Awake = None
        # What the observed loop asks, and until when; the answer once it is known.
        self._question: Lists = NOBODY
        self._asked: Any = None
        self._until: Optional[float] = None
        self._answer: Union[Answer, Exception, None] = NOBODY
        # The page's lists, as the page's loop made them last, and the numbers in them.
        self._known: Any = None
        self._own: FrozenSet[int] = frozenset()

    def time(self) -> float:
        """The clock of the observed loop, in seconds: the real one, less all the time that it was held."""
        return (self._clock() if self._stood is None else self._stood) - self._lost

    # -- what the page does with it

    def open(self) -> None:
        """Answer from now on.  Not to be called while the observed loop is in its select."""
        self._answer = NOBODY
        self._fell = self._clock(), self.spent
        self._reactor.select = self

    def close(self) -> None:
        """Hold no more, and let the observed loop ask the real select again from its next turn on.  Twice is once."""
        self.resume()
        self._awake = None
        if self._reactor.select is self:
            self._reactor.select = self._real

    @property
    def is_open(self) -> bool:
        """True while the page's loop turns inside the observed loop's select."""
        return self._reactor.select is self

    def pause(self) -> None:
        """Answer no more, from now on.  Twice is once."""
        self.paused = True
        self._let_through = -1

    def step(self) -> None:
        """Let one turn through, the one that is being asked for, and hold the next."""
        self.paused = True
        self._let_through = self._reactor.turns

    def resume(self) -> None:
        """Hold no more."""
        self.paused = False
        self.pace = 0.0
        self._let_through = -1
        self._stand(False)

    def nudge(self) -> None:
        """The observed loop was given something to do from outside: its sleep is over, once it is not held."""
        self._until = -NEVER

    # -- asked by the observed loop

    def __call__(self, reading: Sequence[int], writing: Sequence[int], third: Sequence[int],
                 timeout: Optional[float]) -> Answer:
        """As select."""
        now, awake = self._clock(), self._awake
        if awake is not None:
            self._awake = None
            if now - awake[1] > self.longest[0]:
                self.longest = now - awake[1], awake[0]
        self._fell = now, self.spent
        until = None if timeout is None else self.time() + timeout
        answer = None
        if self._known is not None and not (self.paused or self.pace):
            answer = self._directly(reading, writing, third, timeout, self.page.due - now)
        if answer is None:
            answer = self._turn_the_page((reading, writing, third), until)
        woken = self._clock()
        self._slept += self._nap(woken)
        self._awake = self._reactor.turns, woken
        return answer

    def asleep(self) -> float:
        """Seconds for which the observed loop was in select and had to wait there, the page's own part left out."""
        return self._slept + (self._nap(self._clock()) if self._awake is None else 0.0)

    def _nap(self, now: float) -> float:
        fell, spent = self._fell
        slept = now - fell - (self.spent - spent)
        return slept if slept > INSTANT else 0.0

    def awake(self) -> Awake:
        """In which turn the observed loop is awake and since when, None while it is in select.  From any thread."""
        return self._awake

    def _directly(self, reading: Any, writing: Any, third: Any, timeout: Optional[float], idle: float
                  ) -> Optional[Answer]:
        # None where the page's loop has something to do, or has to be asked.
        known = self._known
        if idle <= 0.0 or known is not self.page.asked:
            return None
        ends = timeout is not None and timeout <= idle
        try:
            answer = self._real(reading + known[0], writing + known[1], third + known[2], timeout if ends else idle)
        except (OSError, ValueError):
            return None  # whose fault that is, is found out there
        own, nobody = self._own, True
        for ready in answer:
            if ready:
                if ready[-1] in own:  # they stand last
                    return None
                nobody = False
        return None if nobody and not ends else answer

    def _turn_the_page(self, question: Lists, until: Optional[float]) -> Answer:
        self._question, self._until = question, until
        self._asked = self._reactor.asked
        self._answer = None
        began = time.thread_time()
        while self._answer is None:
            self.page.turn()
            now = time.thread_time()
            self.spent += now - began
            began = now
        self._answered = self._reactor.turns, self._clock()
        if isinstance(self._answer, Exception):
            raise self._answer
        # What the page's callbacks did behind the answer: whoever it names may be watched no more.
        return self._answer if self._asked is self._reactor.asked else NOBODY

    # -- asked by the page's loop

    def _ask_both(self, reading: Any, writing: Any, third: Any, timeout: Optional[float]) -> Answer:
        self._know(timeout)
        own = reading, writing, third
        if self._answer is not None:  # it has what it wanted: this is a second look in the same turn
            return self._real(*own, 0.0)
        hold = self._hold()
        self._stand(hold > 0.0)
        if hold > 0.0:
            return self._ask_held(own, _least(timeout, hold))
        if self._asked is not self._reactor.asked:
            # Somebody was closed, or came, from outside: it must not be asked about any more.
            self._answer = NOBODY
            return self._real(*own, 0.0)
        left = None if self._until is None else max(self._until - self.time(), 0.0)
        mine, theirs = self._split(own, _least(timeout, left))
        if self._answer is None and (any(theirs) or self._until is not None and self.time() >= self._until):
            self._answer = theirs
        return mine

    def _ask_held(self, own: Lists, timeout: Optional[float]) -> Answer:
        wakeup = self._reactor.wakeup.fileno()
        readable, writable, failed = self._real([wakeup, *own[0]], own[1], own[2], timeout)
        if wakeup in readable:
            readable = readable[1:]
            self._answer = [wakeup], [], []
        return readable, writable, failed

    def _split(self, own: Lists, timeout: Optional[float]) -> Tuple[Answer, Answer]:
        """One select for both: the page's part of the answer, and the observed loop's."""
        asked = self._question
        try:
            answer = self._real(*[[*one, *other] for one, other in zip(asked, own)], timeout)
        except (OSError, ValueError) as exc:
            return self._real(*own, 0.0), self._alone(exc)
        mine, theirs = [], []
        for ready, others in zip(answer, own):
            ours = frozenset(others)
            mine.append([fd for fd in ready if fd in ours])
            theirs.append([fd for fd in ready if fd not in ours])
        return tuple(mine), tuple(theirs)  # type: ignore[return-value]

    def _alone(self, exc: Exception) -> Answer:
        # Somebody among the observed is closed, or both together are more than select can hold (Windows).
        try:
            return self._real(*self._question, MOMENT)
        except (OSError, ValueError) as alone:
            self._answer = alone
            return NOBODY

    def _know(self, timeout: Optional[float]) -> None:
        page = self.page
        page.due = self._clock() + (LONG if timeout is None else timeout)
        if page.asked is not self._known:
            self._known = page.asked
            self._own = frozenset().union(*self._known)

    def _hold(self) -> float:
        """For how many seconds the observed loop is not to be answered yet."""
        turns = self._reactor.turns
        if self._reactor.ending:
            return 0.0
        if self.paused:
            return 0.0 if turns == self._let_through else NEVER
        last, when = self._answered
        return when + self.pace - self._clock() if self.pace and turns != last else 0.0

    def _stand(self, still: bool) -> None:
        now = self._clock()
        if still and self._stood is None:
            self._stood = now
        elif not still and self._stood is not None:
            self._lost += now - self._stood
            self._stood = None


def _least(timeout: Optional[float], other: Optional[float]) -> Optional[float]:
    if timeout is None or other is None:
        return _finite(timeout if other is None else other)
    return _finite(min(timeout, other))


def _finite(timeout: Optional[float]) -> Optional[float]:
    return None if timeout == NEVER else timeout
