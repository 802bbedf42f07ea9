"""What the browsers are told, and when.

A browser is asked what it lacks only when its connection has room, and what it lacks is worked out then: the
newest frame, the columns since its last ones, the findings it has not had.  Nothing is queued for it, so a
browser that sleeps costs what one message costs; the frames that it did not get are counted.
"""
from __future__ import annotations

import json
from collections import deque
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional, Set, Tuple

from protocols.http.message import Stream
from reactor import Reactor
from reactor.endpoint import Endpoint
from reactor.loop import WINDOWS
from reactor.trace import Event

from ..glassbox.doctor import SLOW, Finding
from ..glassbox.observe import Observer, together
from ..glassbox.watchdog import Watchdog
from .frames import Figures, frame, rows_of
from .gate import Gate
from .kernel import Peers, arrived, unacknowledged
from .snapshot import marks
from .tape import Tape
from .watch import PERIOD, Ring, Watch

BEAT = 0.05  # seconds from one frame to the next, at least
COST = 20  # beats take at most one of so many parts of the time
HEARTBEAT, COUNTERS, STATE = 0.25, 0.5, 1.0  # seconds from one such message to the next
MOST_COLUMNS = 400  # in one message
MOST_FINDINGS = 200
IN_A_THREAD = "reactor.call_in_thread(work, done) for what blocks"
encode = json.JSONEncoder(separators=(",", ":")).encode


def message(name: str, data: Any) -> str:
    """One event of a stream, as text/event-stream wants it."""
    return f"event: {name}\ndata: {data if isinstance(data, str) else encode(data)}\n\n"


class Observers:
    """Ours, beside whoever observed the loop before us."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._installed: Optional[Observer] = None  # what we made of them all
        self._others: List[Observer] = []
        self._all: List[Observer] = []  # together() takes out of it who raised

    def set(self, *ours: Observer) -> None:
        """Let these observe, and no others of ours; those of the program go on in any case."""
        observer = self._reactor.observer
        if observer is self._installed and self._all == [*self._others, *ours]:
            return
        if observer is self._installed:
            self._others = [other for other in self._others if other in self._all]
        else:
            self._others = [] if observer is None else [observer]
        self._all = [*self._others, *ours]
        self._installed = self._all[0] if len(self._all) == 1 else together(self._all) if self._all else None
        self._reactor.observer = self._installed


class Every:
    """Something to be done every so many seconds, where one looks more often than that."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds - BEAT / 2  # the beat that is nearest
        self._last = -seconds

    def is_due(self, now: float) -> bool:
        """True where it is to be done now; the next time begins with that."""
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True


class Sample(NamedTuple):
    """The counters at a moment."""

    time: float
    turns: int
    asleep: float  # seconds in select
    spent: float  # by the page


class Hub:
    """All that is known, and who wants to know it."""

    def __init__(self, reactor: Reactor, gate: Gate, idle: Optional[float] = None) -> None:
        self.browsers: Set[Browser] = set()
        self.ring = Ring()
        self.findings: List[Dict[str, Any]] = []
        self.frames = 0  # how many there were
        self.began = gate.time()
        self.counters = ""  # as the last message had them
        self.tape = Tape(reactor)
        self._reactor = reactor
        self._gate = gate
        self._page = gate.page
        self._observers = Observers(reactor)
        self._watch = Watch(reactor, self.ring, self._found, self.wire, idle)
        self._watchdog: Optional[Watchdog] = None
        self._stuck: Deque[str] = deque()  # what the watchdog said, from its thread
        self._peers = Peers()  # a socket of its own, from the beginning: there may be no room for one later
        self._period, self._counting, self._measuring = Every(PERIOD), Every(COUNTERS), Every(HEARTBEAT)
        self._timer: Any = None
        self._drawn: Tuple[Any, Dict[str, Figures]] = None, {}  # of what the newest frame was made
        self._text = ""
        self._samples: Deque[Sample] = deque(maxlen=3)

    # -- from the first browser to the last

    def begin(self) -> None:
        """Observe the loop, and tell the browsers.  To be called between two turns."""
        self._watchdog = Watchdog(self._stuck.append, awake=self._gate.awake)
        self._watchdog.__enter__()
        self._watch.allow()
        self.wire()
        self._samples.clear()
        self._beat()

    def end(self) -> None:
        """Observe no more, but for a recording that goes on.  Twice is once."""
        if self._watchdog is not None:
            self._timer.cancel()
            self._watchdog.__exit__()
            self._watchdog = None
            self._watch.stop()
            self.wire()

    def close(self) -> None:
        """Observe no more, ever.  Twice is once."""
        self.end()
        self._peers.close()

    def wire(self) -> None:
        """Let exactly those observe who have something to hear."""
        ours: List[Observer] = [self.tape] if self.tape.is_on else []
        if self._watchdog is not None and not self._watch.resting:
            ours.append(self._watch)
        self._observers.set(*ours)

    # -- the beat

    def _beat(self) -> None:
        began = self._page.time()
        try:
            self._look(began)
        finally:  # an endpoint of the user's own may tell what cannot be drawn: the heart goes on
            # With a thousand connections a frame takes its time, and the observed loop waits for it.
            self._timer = self._page.call_later(max(BEAT, COST * (self._page.time() - began)), self._beat)

    def _look(self, now: float) -> None:
        if self._period.is_due(now):
            self._watch.allow()
            self.wire()
        if self._counting.is_due(now):
            self._count()
            self._watch.look()
        while self._stuck:
            text = self._stuck.popleft()
            self._found(Finding(int(text.split()[1]), "stuck", "", text, IN_A_THREAD))
        self._mind_who_was_not_heard()
        self.draw()
        self.tell()

    def _mind_who_was_not_heard(self) -> None:
        (seconds, turn), self._gate.longest = self._gate.longest, (0.0, 0)
        if seconds * 1000 > SLOW and self.ring.find(turn) is None:
            self._found(Finding(turn, "slow", "", f"turn {turn:,} took {seconds * 1000:,.0f} ms; the page did not hear "
                                "which callback that was", IN_A_THREAD))

    def tell(self) -> None:
        """Let every browser that has room for it have what it lacks, now."""
        for browser in list(self.browsers):
            browser.stream.wake()

    def draw(self) -> None:
        """Make a new frame where there is something new to see, and somebody to see it."""
        seen_before, figures_before = self._drawn
        current = self._watch.current() if self.browsers else None
        if current is None:
            return
        seen, connections = current
        is_new = seen_before is None or (seen.number, len(seen.events)) != seen_before
        if not is_new and not self._measuring.is_due(self._page.time()):
            return
        rows = rows_of(seen, connections)
        seen.figures = self._measure([row.name for row in rows])
        if is_new or seen.figures != figures_before:
            self._drawn = (seen.number, len(seen.events)), seen.figures
            self._text = message("frame", frame(seen, connections, self.began, WINDOWS))
            self.frames += 1

    def _measure(self, names: List[str]) -> Dict[str, Figures]:
        wanted = set(names)
        return {endpoint.name: self._figures(endpoint) for endpoint in self._reactor.endpoints
                if endpoint.name in wanted}

    def _figures(self, endpoint: Endpoint) -> Figures:
        found = marks(endpoint)
        sock = getattr(endpoint, "sock", None)
        if sock is not None and found:
            found.update(kernel=unacknowledged(sock), arrived=arrived(sock), theirs=self._peers.unread(sock))
        return found

    def _count(self) -> None:
        counters = self._reactor.counters()
        spent = self._gate.spent  # the page's own part
        now = Sample(self._page.time(), counters.turns, self._gate.asleep(), spent)
        before = self._samples[0] if self._samples else now
        self._samples.append(now)
        whole = now.time - before.time - (now.spent - before.spent)
        self.counters = message("counters", {
            "turns": counters.turns, "events": counters.events, "received": counters.received, "sent": counters.sent,
            "asleep": round(counters.asleep, 3), "awake": round(max(counters.awake - spent, 0.0), 3),
            "endpoints": counters.endpoints, "most": counters.most_endpoints, "largest": counters.largest_queue,
            "turns_per_second": round((now.turns - before.turns) / max(now.time - before.time, BEAT), 1),
            "asleep_share": round(min((now.asleep - before.asleep) / whole, 1.0), 4) if whole > 0 else 1.0})

    # -- findings

    def _found(self, finding: Finding) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append({"turn": finding.turn, "malady": finding.malady, "sentence": finding.sentence,
                                  "missing": finding.missing})

    # -- for browsers and controls

    def frame(self) -> str:
        """The newest one, as a message."""
        return self._text

    def turns(self) -> int:
        """How many turns have ended."""
        return self._reactor.turns

    def time(self) -> float:
        """Seconds since the page began, on the real clock."""
        return self._page.time() - self.began

    def begun(self) -> Optional[Event]:
        """The event that began the present turn, where it was heard and nothing has happened since."""
        return self._watch.begun()

    def old_frame(self, number: int) -> Optional[Dict[str, Any]]:
        """The frame of a turn in the ring; None where it is not there (any more)."""
        found = self.ring.find(number)
        return None if found is None else frame(*found, self.began, WINDOWS)


class Browser:
    """One event stream: an iterator that gives what is due, b"" when that is nothing."""

    def __init__(self, hub: Hub, hello: Dict[str, Any], state: Callable[[Browser], Dict[str, Any]],
                 left: Callable[[], object]) -> None:
        self.stream = Stream(self)
        self.dropped = 0  # frames
        self._hub = hub
        self._hello: Optional[Dict[str, Any]] = hello
        self._state = state
        self._left = left
        self._frames = hub.frames
        self._columns, self._turns = hub.ring.count, hub.turns()
        self._findings = 0
        self._heartbeat, self._repeats = Every(HEARTBEAT), Every(STATE)
        self._told: Dict[str, str] = {}  # of each kind of message that is told when it changes
        hub.browsers.add(self)

    def __iter__(self) -> Browser:
        return self

    def __next__(self) -> bytes:
        return "".join(self._due()).encode()

    def close(self) -> None:
        """The connection is over.  Twice is once."""
        if self in self._hub.browsers:
            self._hub.browsers.discard(self)
            self._left()

    def _due(self) -> List[str]:
        hub, due = self._hub, []
        if self._hello is not None:
            due += self._begin()
        elif hub.frames != self._frames:
            due.append(hub.frame())
            self.dropped += hub.frames - self._frames - 1
            self._frames = hub.frames
        due += self._new_columns()
        due += [message("finding", finding) for finding in hub.findings[self._findings:]]
        self._findings = len(hub.findings)
        now = hub.time()
        if self._repeats.is_due(now):
            self._told.clear()
        due += self._changed("state", message("state", self._state(self)))
        due += self._changed("counters", hub.counters)
        if self._heartbeat.is_due(now):
            due.append(message("heartbeat", {"t": round(now, 3)}))
        return due

    def _begin(self) -> List[str]:
        hub = self._hub
        hub.draw()
        hello, self._hello = self._hello, None
        columns = [seen.column(hub.began) for seen in hub.ring.newest(MOST_COLUMNS)]
        self._columns, self._turns, self._frames = hub.ring.count, hub.turns(), hub.frames
        return ["retry: 500\n", message("hello", hello), hub.frame(),
                message("columns", {"columns": columns, "unseen": 0})]

    def _new_columns(self) -> List[str]:
        hub = self._hub
        count, turns = hub.ring.count - self._columns, hub.turns() - self._turns
        if not count and not turns:
            return []
        self._columns, self._turns = hub.ring.count, hub.turns()
        columns = [seen.column(hub.began) for seen in hub.ring.newest(min(count, MOST_COLUMNS))]
        return [message("columns", {"columns": columns, "unseen": max(turns - len(columns), 0)})]

    def _changed(self, name: str, text: str) -> List[str]:
        if text == self._told.get(name):
            return []
        self._told[name] = text
        return [text]
