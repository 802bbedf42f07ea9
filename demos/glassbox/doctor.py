"""The doctor: names what goes wrong in a program on the loop, and the line that is missing.

A Doctor is an observer like any other: it sees the events of a live loop or those of a recording, and cannot
tell them apart.  Each malady is one small class below, with the events that it listens to.  What it
finds is said once for each cause: a callback by its name, a socket by its own, a connection by the listener
that accepted it, since connections of one listener share their program.

What cannot be known from events is not guessed.  A watcher of the user's own (add_reader, add_writer) may read a
pipe and do something that no event tells of; it is called idle only after a thousand turns in a row.
"""
from __future__ import annotations

import contextlib
import re
import threading
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from reactor.listener import LIMIT
from reactor.trace import Event, plain

from .watchdog import Watchdog

SPINNING = 100  # turns in a row in which somebody is ready and does nothing about it
USERS_OWN = 1000  # the same, for a callback of which only its events are seen; and for turns without any sleep
NO_SLEEP = 0.001  # seconds; who sleeps longer does not spin
SLOW = 50.0  # milliseconds of a callback
PAUSED = 60.0  # seconds
IDLE = 600.0  # seconds, where the program was given no limit of its own
LATE = 1.3  # times the limit: an IdleLimit may notice a queue that stands still by a quarter late
NEAR = 0.9  # of the descriptors that there are


class Finding(NamedTuple):
    """What is wrong, since when it is known, and the line that is missing."""

    turn: int
    malady: str  # spinning, never sleeping, slow, growing, paused, idle, descriptors
    cause: str  # the same cause is told once
    sentence: str
    missing: str

    def __str__(self) -> str:
        return f"turn {self.turn}: {self.sentence}\n    missing: {self.missing}"


class Doctor:
    """Feed it every event, in order; `findings` grows, and `say` is called with each new one as text.

    `idle` is the limit of the program's connections in seconds.  look() may come from another thread, so that
    what only time tells is noticed while the loop sleeps.
    """

    def __init__(self, say: Callable[[str], object] = lambda text: None, *, idle: float = IDLE,
                 descriptors: int = LIMIT) -> None:
        self.findings: List[Finding] = []
        self._say = say
        self._told: Set[Tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._next_look = 0.0
        self._looks: List[Callable[[float], object]] = []
        self._listeners: Dict[str, List[Callable[[Event], object]]] = {}
        self._origin: Dict[str, str] = {}  # of each connection: the listener that accepted it
        self._event = Event(0.0, 0, "turn", {})
        for malady in (_Spinning(self), _NeverSleeping(self), _Slow(self), _Growing(self), _Paused(self),
                       _Idle(self, idle), _Descriptors(self, descriptors)):
            self._attend(malady)

    def _attend(self, malady: Any) -> None:
        for kind, method in malady.listens.items():
            self._listeners.setdefault(kind, []).append(method)
        if hasattr(malady, "look"):
            self._looks.append(malady.look)

    def __call__(self, event: Event) -> None:
        """See one event."""
        with self._lock:
            self._event = event
            if event.kind == "accepted":
                self._origin[event.facts["connection"]] = event.facts["who"]
            for listener in self._listeners.get(event.kind, ()):
                listener(event)
            if event.kind == "closed":
                self._origin.pop(event.facts["who"], None)
            elif event.kind == "turn":
                self._look(event.time)

    def look(self, now: float) -> None:
        """Notice what has lasted too long by `now` of the loop's clock; at most once a second, from any thread."""
        with self._lock:
            self._look(now)

    def _look(self, now: float) -> None:
        if now >= self._next_look:
            self._next_look = now + 1.0
            for look in self._looks:
                look(now)

    # -- for the maladies

    def origin(self, who: str) -> str:
        """The listener of a connection; the connection itself where it was not accepted."""
        return self._origin.get(who, who)

    def found(self, malady: str, cause: str, sentence: str, missing: str) -> None:
        """Tell it, unless this malady was told of this cause before."""
        if (malady, cause) not in self._told:
            self._told.add((malady, cause))
            finding = Finding(self._event.turn, malady, cause, plain(sentence), missing)
            self.findings.append(finding)
            self._say(str(finding))


@contextlib.contextmanager
def attended(say: Callable[[str], object], clock: Callable[[], float], *, idle: Optional[float] = None
             ) -> Iterator[Callable[[Event], object]]:
    """While inside, a doctor and a watchdog for a live loop with this clock: gives the observer of both.

    `say` is called with text of one or more lines, from the loop's thread or the watchdog's.
    """
    doctor = Doctor(say, idle=idle or IDLE)
    with Watchdog(say, also=lambda: doctor.look(clock())) as watchdog:
        def observe(event: Event) -> None:
            watchdog(event)
            doctor(event)
        yield observe


_Timer = Tuple[str, float]  # the name of its callback, and when it is due
_READS = ("received", "accepted", "full", "datagram received", "error", "lost", "closed")
_WRITES = ("sent", "partly sent", "connecting", "connected", "failed", "datagram sent", "error", "lost", "closed")


class _Spinning:
    """Somebody is ready in turn after turn and does nothing about it."""

    def __init__(self, doctor: Doctor) -> None:
        self._doctor = doctor
        self._streaks: Dict[Tuple[str, str], int] = {}  # of who and direction: turns in a row
        self._callbacks: Dict[Tuple[str, str], str] = {}  # of whom not all is told
        self._ended: Set[str] = set()
        self._turn = -1
        self._idle = True  # no event since the last callback returned
        self.listens: Dict[str, Callable[[Event], object]] = dict.fromkeys(
            (*_READS, *_WRITES, "queued", "timer set", "datagram queued", "closing"), self._something)
        self.listens.update({"turn": self._asked, "ready": self._ready, "ran": self._ran, "ended": self._end,
                             "blocked": self._blocked})

    def _asked(self, event: Event) -> None:
        facts = event.facts
        # A listener whose factory refuses a client tells of nothing either.
        self._callbacks = {(who, direction): why for direction in ("reading", "writing")
                           for who, why in facts[direction] if who.startswith("fd ") or why == "the listener"}

    def _ready(self, event: Event) -> None:
        self._idle = True
        facts, before = event.facts, self._streaks
        if facts["slept"] > NO_SLEEP or event.turn > self._turn + 1:
            before = {}
        self._turn = event.turn
        ready = [(who, "reading") for who in facts["readable"]] + [(who, "writing") for who in facts["writable"]]
        self._streaks = {key: before.get(key, 0) + 1 for key in ready if key[0] != "the loop"}
        for key, turns in self._streaks.items():
            if turns >= SPINNING and turns == (USERS_OWN if key in self._callbacks else SPINNING):
                self._tell(*key, turns)

    def _something(self, event: Event) -> None:
        if event.facts.get("taken") == 0:  # send(b"") succeeds, and moves nothing
            return
        self._idle = False
        who = event.facts.get("who", "")
        if event.kind in _READS:
            self._streaks.pop((who, "reading"), None)
        if event.kind in _WRITES:
            self._streaks.pop((who, "writing"), None)
        if event.kind == "closed":
            self._ended.discard(who)

    def _blocked(self, event: Event) -> None:
        self._idle = False
        direction = "reading" if event.facts["call"].startswith("recv") else "writing"
        self._streaks.pop((event.facts["who"], direction), None)

    def _end(self, event: Event) -> None:
        self._idle = False
        self._ended.add(event.facts["who"])

    def _ran(self, event: Event) -> None:
        if not self._idle and self._callbacks:
            name = event.facts["callback"]
            for key, callback in self._callbacks.items():
                if callback == name:
                    self._streaks.pop(key, None)
        self._idle = True

    def _tell(self, who: str, direction: str, turns: int) -> None:
        callback = self._callbacks.get((who, direction))
        owner = f"{who}, {callback}," if callback else who
        again = f"select said so in {turns:,} turns in a row, without any sleep"
        if direction == "writing":
            sentence = f"the loop spins: {owner} is watched for writing and you had nothing to write; {again}"
            missing = "watcher.cancel() when the last byte is sent; add_writer() again only when send() took less"
        elif who in self._ended:
            sentence = f"the loop spins: recv said end of file on {owner} and the socket is still watched; {again}"
            missing = "if not data: watcher.cancel(), then sock.close()"
        elif callback:
            sentence = f"the loop spins: {owner} is ready for reading and its callback did nothing about it; {again}"
            missing = "data = sock.recv(65536), and if not data: watcher.cancel()"
        else:
            sentence = f"the loop spins: {owner} is ready for reading and nobody reads it; {again}"
            missing = "data = sock.recv(65536)"
        self._doctor.found("spinning", f"{who} {direction}", sentence, missing)


class _NeverSleeping:
    """A callback asks to be called again at once, for ever, and does little: nobody is ready and nobody sleeps."""

    LITTLE = 1.0  # milliseconds in each turn; more is work, of which a part is done in each

    def __init__(self, doctor: Doctor) -> None:
        self._doctor = doctor
        self._turns = 0
        self._work = 0.0  # milliseconds in these turns
        self._asked_no_sleep = False
        self._name: Optional[str] = None
        self.listens: Dict[str, Callable[[Event], object]] = {
            "turn": self._asked, "ready": self._ready, "ran": self._ran}

    def _asked(self, event: Event) -> None:
        facts = event.facts
        self._asked_no_sleep = facts["timeout"] == 0.0 and facts["why"] != "as turn() was asked"

    def _ready(self, event: Event) -> None:
        restless = self._asked_no_sleep and self._name is not None
        somebody = event.facts["readable"] or event.facts["writable"]
        self._turns = self._turns + 1 if restless and not somebody else 0
        self._work *= self._turns > 0
        if self._turns == USERS_OWN and self._work < self.LITTLE * USERS_OWN:
            self._doctor.found(
                "never sleeping", _anybody(self._name or ""),
                f"the loop never sleeps: {self._name} is called in each of {self._turns:,} turns in a row, "
                "while nobody is ready", "call_later(0.05, ...) in place of call_soon() or of a delay of 0")
        self._name = None

    def _ran(self, event: Event) -> None:
        self._name = event.facts["callback"]
        self._work += event.facts["milliseconds"]


class _Slow:
    """A callback during which nobody else is served."""

    def __init__(self, doctor: Doctor) -> None:
        self._doctor = doctor
        self.listens: Dict[str, Callable[[Event], object]] = {"ran": self._ran}

    def _ran(self, event: Event) -> None:
        milliseconds, name = event.facts["milliseconds"], event.facts["callback"]
        if milliseconds > SLOW:
            self._doctor.found(
                "slow", _anybody(name),
                f"{name} took {milliseconds:,.0f} ms, and nobody else was served meanwhile",
                "reactor.call_in_thread(work, done) for what blocks; for much work, a part of it in each turn")


class _Growing:
    """A queue that only grows: its protocol was told to pause writing, and goes on."""

    MORE = 10  # turns with writes after the pause, which no reply of one piece explains

    def __init__(self, doctor: Doctor) -> None:
        self._doctor = doctor
        self._paused: Dict[str, List[int]] = {}  # of who: depth at the pause, turns with writes since, the last such
        self.listens: Dict[str, Callable[[Event], object]] = {
            "writing paused": self._pause, "queued": self._queued,
            "writing resumed": self._over, "lost": self._over, "closed": self._over}

    def _pause(self, event: Event) -> None:
        self._paused[event.facts["who"]] = [event.facts["depth"], 0, event.turn]

    def _over(self, event: Event) -> None:
        self._paused.pop(event.facts["who"], None)

    def _queued(self, event: Event) -> None:
        who, depth = event.facts["who"], event.facts["depth"]
        pause = self._paused.get(who)
        if pause is None or event.turn == pause[2]:
            return
        pause[1:] = [pause[1] + 1, event.turn]
        if pause[1] >= self.MORE and depth >= 2 * pause[0]:
            self._doctor.found(
                "growing", self._doctor.origin(who),
                f"the queue of {who} only grows: {depth:,} bytes, and its protocol wrote in {pause[1]} turns "
                "after it was told to pause",
                "def pause_writing(self): stop writing, or self._transport.pause_reading(), until resume_writing()")


class _Paused:
    """A reader paused for ever: no queue is left whose emptying could resume it, and no timer that was set with it."""

    def __init__(self, doctor: Doctor) -> None:
        self._doctor = doctor
        self._since: Dict[str, float] = {}
        self._full: Set[str] = set()  # whose writing is paused
        self._turn = -1
        self._paused: List[str] = []  # in this turn
        self._set: Set[_Timer] = set()  # in this turn
        self._waits: Dict[str, Set[_Timer]] = {}
        self.listens: Dict[str, Callable[[Event], object]] = {
            "timer set": self._timer_set, "timer fired": self._timer_over, "timer cancelled": self._timer_over,
            "reading paused": self._pause, "reading resumed": self._resume, "closing": self._resume,
            "writing paused": self._fill, "writing resumed": self._drained,
            "lost": self._over, "closed": self._over,
            **dict.fromkeys(("sent", "partly sent", "queued"), self._moved)}

    def _pause(self, event: Event) -> None:
        who = event.facts["who"]
        self._since[who] = event.time
        self._in_turn(event.turn)
        self._paused.append(who)
        self._waits[who] = set(self._set)

    def _in_turn(self, turn: int) -> None:
        if turn != self._turn:
            self._turn, self._paused, self._set = turn, [], set()

    def _timer_set(self, event: Event) -> None:
        self._in_turn(event.turn)
        timer = event.facts["callback"], event.facts["due"]
        self._set.add(timer)
        for who in self._paused:
            self._waits.get(who, set()).add(timer)

    def _timer_over(self, event: Event) -> None:
        timer = event.facts["callback"], event.facts["due"]
        self._set.discard(timer)
        for who, timers in self._waits.items():
            if timer in timers:
                timers.discard(timer)
                self._since[who] = event.time

    def _moved(self, event: Event) -> None:
        if event.facts["who"] in self._since:
            self._since[event.facts["who"]] = event.time

    def _resume(self, event: Event) -> None:
        self._since.pop(event.facts["who"], None)
        self._waits.pop(event.facts["who"], None)

    def _fill(self, event: Event) -> None:
        self._full.add(event.facts["who"])

    def _drained(self, event: Event) -> None:
        self._full.discard(event.facts["who"])
        # Whose queue this was may be another's peer: that one's patience begins now.
        self._since = dict.fromkeys(self._since, event.time)

    def _over(self, event: Event) -> None:
        self._resume(event)
        if event.facts["who"] in self._full:
            self._drained(event)

    def look(self, now: float) -> None:
        """Who waits, and for nobody?"""
        if self._full:
            return
        for who, since in self._since.items():
            if now - since > PAUSED and not self._waits[who]:
                self._doctor.found(
                    "paused", self._doctor.origin(who),
                    f"{who} paused its reading {now - since:,.0f} seconds ago, nothing is queued any more, "
                    "and nobody resumed it",
                    "def resume_writing(self): self._transport.resume_reading()")


class _Idle:
    """A connection on which nothing has moved for longer than its limit, and which is open all the same."""

    def __init__(self, doctor: Doctor, limit: float) -> None:
        self._doctor = doctor
        self._limit = limit
        self._moved: Dict[str, float] = {}  # in the order of their last move
        self.listens: Dict[str, Callable[[Event], object]] = {
            "accepted": self._begin, "connected": self._begin, "adopted": self._adopted, "closed": self._over,
            **dict.fromkeys(("received", "ended", "sent", "partly sent", "queued"), self._move)}

    def _begin(self, event: Event) -> None:
        self._moved[event.facts["connection"]] = event.time

    def _adopted(self, event: Event) -> None:
        self._moved[event.facts["who"]] = event.time

    def _move(self, event: Event) -> None:
        if self._moved.pop(event.facts["who"], None) is not None:
            self._moved[event.facts["who"]] = event.time

    def _over(self, event: Event) -> None:
        self._moved.pop(event.facts["who"], None)

    def look(self, now: float) -> None:
        """The first is who has been silent longest."""
        for who, moved in self._moved.items():
            if now - moved <= LATE * self._limit + 1.0:
                return
            self._doctor.found(
                "idle", self._doctor.origin(who),
                f"nothing has moved on {who} for {now - moved:,.0f} seconds, beyond the limit of {self._limit:g}, "
                "and it is still open",
                "--idle SECONDS, or a factory of IdleLimit(protocol, seconds, call_later=..., time=...)")


class _Descriptors:
    """Descriptors near the limit, beyond which nobody can be accepted."""

    def __init__(self, doctor: Doctor, limit: int) -> None:
        self._doctor = doctor
        self._limit = limit
        self.listens: Dict[str, Callable[[Event], object]] = {"accepted": self._accepted, "full": self._full}

    def _accepted(self, event: Event) -> None:
        fd = event.facts.get("fd", 0)
        if fd >= NEAR * self._limit:
            self._tell(f"descriptor {fd} is in use, and select and the system hold {self._limit} here")

    def _full(self, event: Event) -> None:
        # Its own limit (max_connections) is wanted; all other reasons are a lack.
        if event.facts["why"] != "its limit":
            self._tell(f"{event.facts['who']} accepts no more, with {event.facts['connections']} connections: "
                       f"{event.facts['why']}")

    def _tell(self, sentence: str) -> None:
        self._doctor.found("descriptors", "", sentence,
                           "transport.close() for whoever is done, --idle SECONDS, `ulimit -n 1024` before the start")


def _anybody(name: str) -> str:
    return re.sub(r"#\d+", "#", name)
