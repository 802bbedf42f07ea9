"""What a program made of select(): the summary in the words of a rubric, and the faults that were seen.

Only what was seen is said, never what may be in the source.  A finding names its turn, in which --trace
shows it, and what usually causes it.
"""
from __future__ import annotations

from typing import Any, Dict, List, Optional, Set, Tuple

from reactor.trace import Event

MANY = 50  # turns alike, in which nothing moved, that are called spinning
POLLS = 1000  # turns in which select neither slept nor found anybody, one after the other, that are called polling
SLOW = 0.5  # seconds away from select that others notice
FLOOD = 4 * 1024 * 1024  # bytes received from who takes nothing
SAMPLE = 4096  # bytes of what a short send left, by which a second offer is known
MOVES = {"received", "sent", "partly sent", "accepted", "datagram received", "datagram sent", "connected", "closed",
         "failed", "error"}
ATTEMPTS = {"sent", "partly sent", "blocked", "datagram sent", "connected", "connecting", "failed", "error",
            "half-closed"}


class Stream:
    """One socket, as far as the findings need it."""

    __slots__ = ("ended", "ends", "asked_after_end", "left", "rest", "short", "refused", "sent", "received", "broken",
                 "open")

    def __init__(self) -> None:
        self.ended: Optional[int] = None  # the turn in which end of file was read first
        self.ends = 0  # how often it was
        self.asked_after_end = 0  # select calls for reading since
        self.left = 0  # bytes that the last send did not take, not offered again yet
        self.rest = b""  # the first of them
        self.short = 0  # the turn of that send
        self.refused: Optional[int] = None  # the turn in which send said EAGAIN last
        self.sent = 0  # bytes
        self.received = 0  # bytes since send took some
        self.broken = False  # by an error
        self.open = True


class Rubric:
    """An observer, to which the Kernel also says what no event does."""

    def __init__(self) -> None:
        self.selects = 0
        self.findings: Dict[Tuple[str, str], Tuple[int, str]] = {}  # what, of whom -> the first turn, in words
        self._longest = 0.0, 0
        self._timeouts: Set[Optional[float]] = set()
        self._third = 0
        self._counts: Dict[str, int] = {}
        self._bytes = {"received": 0, "sent": 0}
        self._lines_ended = {"LF": 0, "CRLF": 0}
        self._streams: Dict[str, Stream] = {}
        self._could_block: Set[str] = set()
        self._slow_calls: Set[int] = set()  # turns in which a call slept
        self._turn = 0
        self._reading: Set[str] = set()
        self._writing: Dict[str, str] = {}
        self._ready: Tuple[Tuple[str, ...], Tuple[str, ...]] = ((), ())
        self._before: Any = None  # the answer of the turn before
        self._done: Set[Tuple[str, str]] = set()  # (who, kind) in this turn
        self._moved = False  # anything, in this turn
        self._alike = self._polls = 0
        self._repairs = 0  # short sends whose rest was offered again
        self.unseen: Dict[str, int] = {}
        self.ended_by = ""

    # -- what no event says

    def asked(self, third: List[Any], timeout: Any) -> None:
        """Select is about to be asked."""
        self.selects += 1
        self._timeouts.add(timeout)
        self._third += bool(third)

    def slept(self, seconds: float, turn: int) -> None:
        """Select is back, with an answer or without."""
        self._longest = max(self._longest, (seconds, turn))

    def called(self, who: str, call: str, blocking: bool, seconds: float, turn: int) -> None:
        """A call on the thread that calls select is over."""
        if not self.selects or not blocking:
            return
        self._could_block.add(who)
        if seconds >= SLOW:
            self._slow_calls.add(turn)
            self._find("slept", who, turn, f"{call} of {who} slept {seconds:.1f} s outside select: nobody else was "
                       "served meanwhile. Only select may sleep: setblocking(False), then recv or send once it said so")

    def closed_unread(self, who: str, turn: int) -> None:
        """It is about to be closed, with input that nobody has read."""
        stream = self._of(who)
        if stream.sent and not stream.broken:
            self._find("closed unread", who, turn, f"{who} was answered, and closed while it still had input to be "
                       "read: the kernel then resets, which destroys what the peer has not read yet. Half-close, read "
                       "to the end, then close")

    def ended_with(self, exc: BaseException) -> None:
        """Nobody caught this."""
        name = self.ended_by = type(exc).__name__
        twice = [who for who in self._ready[0] if who in self._ready[1] and (who, "closed") in self._done]
        advice = next((words for kind, words in _ENDINGS if isinstance(exc, kind)), "")
        if twice and not advice:
            advice = (f"{twice[0]} was ready for reading and for writing in that turn, and closed in between. What "
                      "one of the two may remove must be looked for before the other")
        if advice:
            self._find("ended", name, self._turn, f"{name} ended the program: {advice}")

    # -- events

    def __call__(self, event: Event) -> None:
        """Take one event."""
        kind, facts = event.kind, event.facts
        self._turn = event.turn
        self._counts[kind] = self._counts.get(kind, 0) + 1
        who = facts.get("who", "")
        if who and facts.get("offered") != 0:  # to send nothing is to do nothing
            self._done.add((who, kind))
            self._moved |= kind in MOVES
        note = getattr(self, "_on_" + kind.replace(" ", "_"), None)
        if note is not None:
            note(facts)

    def _of(self, who: str) -> Stream:
        return self._streams.setdefault(who, Stream())

    def _find(self, what: str, who: str, turn: int, words: str) -> None:
        self.findings.setdefault((what, who), (turn, words))

    def _on_turn(self, facts: Dict[str, Any]) -> None:
        writing = {name: why for name, why in facts["writing"]}
        self._look_back(writing)
        self._reading = {name for name, _ in facts["reading"]}
        for name in self._reading:
            stream = self._streams.get(name)
            if stream is not None and stream.ended is not None and stream.open:
                stream.asked_after_end += 1
        for name, why in [*facts["reading"], *facts["writing"]]:
            if why.startswith("closed"):
                self._find("closed but listed", name, self._turn, f"{name} was {why} and is still given to select: "
                           "take a socket out of every list before it is closed")
        self._writing = writing
        self._done, self._moved = set(), False

    def _look_back(self, writing: Dict[str, str]) -> None:
        # The turn before, now that it is known what the program made of select's answer.
        turn = self._turn - 1
        idle = {name for name in self._ready[1] if name in writing and self._writing.get(name) != "connect pending"
                and not any((name, kind) in self._done for kind in ATTEMPTS)}
        for name in sorted(idle):
            self._find("nothing to write", name, turn, f"{name} was watched for writing with nothing to write: a "
                       "socket with room is always writable. Watch for writing only while bytes wait to be sent")
        alike = any(self._ready) and self._ready == self._before and not self._moved
        self._alike = self._alike + 1 if alike else 0
        self._before = self._ready
        if self._alike == MANY:
            self._find("spinning", "", turn - MANY + 1, f"{MANY} turns and more had the same answer, and nothing "
                       f"moved: the loop spins. {self._why_it_spins(idle)}")

    def _why_it_spins(self, idle: Set[str]) -> str:
        for name in [*self._ready[0], *self._ready[1]]:
            stream = self._of(name)
            if stream.ended is not None and name in self._ready[0]:
                return f"{name} is at its end of file, which is readable for ever: stop watching it and close it"
            if name in idle:
                return f"{name} is writable, and nothing is written to it"
            if (name, "blocked") in self._done:
                return f"{name} is ready, and still each call answers EAGAIN"
        return f"{', '.join(self._ready[0])} is readable, and nobody reads it (or accepts)"

    def _on_ready(self, facts: Dict[str, Any]) -> None:
        self._ready = tuple(facts["readable"]), tuple(facts["writable"])
        polls = not any(self._ready) and facts["slept"] < 0.001
        self._polls = self._polls + 1 if polls else 0
        if self._polls == POLLS:
            self._find("polling", "", self._turn - POLLS + 1, "select is asked again and again with a time-out of "
                       "(nearly) 0: it polls, and costs a whole processor. With nothing else to do, let it sleep")

    def _on_ran(self, facts: Dict[str, Any]) -> None:
        seconds = facts["milliseconds"] / 1000
        if seconds >= SLOW and self._turn not in self._slow_calls:
            self._find("slow turn", "", self._turn, f"{seconds:.1f} s passed between select's answer and the next "
                       "question: everybody waited")

    def _on_raised(self, facts: Dict[str, Any]) -> None:
        words = ("select refused its question" if facts["callback"] == "select" else
                 f"{facts['callback']}, which was closed already")
        self._find("refused", facts["callback"], self._turn, f"{words}: {facts['error']}")

    def _on_received(self, facts: Dict[str, Any]) -> None:
        who, size = facts["who"], facts["size"]
        self._bytes["received"] += size
        if facts["data"].endswith(b"\n"):
            crlf = facts["data"].count(b"\r\n")
            self._lines_ended["CRLF"] += crlf
            self._lines_ended["LF"] += facts["data"].count(b"\n") - crlf
        stream = self._of(who)
        waits = who in self._writing and who not in self._ready[1]  # for room
        stream.received = stream.received + size if waits else 0
        if stream.received >= FLOOD:
            self._find("unbounded queue", who, self._turn, f"{stream.received:,} bytes were read from {who} while it "
                       "took nothing of what waits for it, so what is kept for it grows without a bound. Stop reading "
                       "from who does not read")

    def _on_ended(self, facts: Dict[str, Any]) -> None:
        stream = self._of(facts["who"])
        stream.ends += 1
        if stream.ended is None:
            stream.ended = self._turn
        elif stream.asked_after_end:
            self._find("end of file ignored", facts["who"], stream.ended, f"{facts['who']} said end of file, recv "
                       "answered b'', and was watched on: an empty answer is the peer's goodbye, not \"no data yet\"")

    def _on_sent(self, facts: Dict[str, Any]) -> None:
        stream = self._of(facts["who"])
        self._bytes["sent"] += facts["taken"]
        stream.sent += facts["taken"]
        stream.received, stream.refused = 0, None
        if stream.left:
            self._offered_again(facts, stream)
        if facts["left"]:
            stream.left, stream.short = facts["left"], self._turn
            stream.rest = bytes(facts["data"][facts["taken"]:facts["taken"] + SAMPLE])

    _on_partly_sent = _on_sent

    def _offered_again(self, facts: Dict[str, Any], stream: Stream) -> None:
        data = facts["data"]
        size = min(len(data), len(stream.rest))
        if isinstance(data, bytes) and data[:size] != stream.rest[:size]:
            self._never_sent(facts["who"], stream, "the next send began elsewhere")
            stream.left = 0
            return
        taken = facts["taken"]
        stream.rest, stream.left = stream.rest[taken:], max(stream.left - taken, 0)
        if not stream.left or not stream.rest:
            stream.left = 0  # beyond the sample nothing can be compared, so nothing is accused
            self._repairs += 1

    def _never_sent(self, who: str, stream: Stream, how: str) -> None:
        self._find("short send ignored", who, stream.short, f"send of {who} took a part and left {stream.left:,} "
                   f"bytes, which were never offered again ({how}): send answers how many bytes it took, and the rest "
                   "is yours to keep")

    def _on_blocked(self, facts: Dict[str, Any]) -> None:
        if facts["call"] == "send":
            self._of(facts["who"]).refused = self._turn
        if facts["call"] == "sendall":
            self._find("sendall", facts["who"], self._turn, f"sendall of {facts['who']} met EAGAIN: on a non-blocking "
                       "socket it cannot tell how much it had sent. Use send, and keep the rest")

    def _on_error(self, facts: Dict[str, Any]) -> None:
        self._of(facts["who"]).broken = facts["errno"] is not None

    def _on_closed(self, facts: Dict[str, Any]) -> None:
        stream = self._of(facts["who"])
        stream.open = False
        if stream.refused == self._turn:
            self._find("EAGAIN as an error", facts["who"], self._turn, f"{facts['who']} was closed right after send "
                       "said EAGAIN, and the bytes that were offered are lost: it means \"not now\", keep them and "
                       "wait for select")
        elif stream.left and not stream.broken:
            self._never_sent(facts["who"], stream, "it was closed")
        stream.left, stream.rest = 0, b""

    # -- the summary

    def close(self) -> None:
        """The program is over."""
        for who, stream in self._streams.items():
            if stream.left and stream.open and not stream.broken and who not in self._writing:
                self._never_sent(who, stream, "it was not watched for writing any more")

    def summary(self, program: str) -> str:
        """All that is to be said, several lines."""
        by = f", ended by {self.ended_by}" if self.ended_by else ""
        lines = [f"x-ray of {program}{by}", *(f"  {line}" for line in self._lines())]
        found = sorted(self.findings.values())
        lines += [f"  {number}. turn {turn}: {words}." for number, (turn, words) in enumerate(found, 1)]
        if self.selects and not found:
            lines.append("  nothing to find fault with was seen")
        return "".join(f"{line}\n" for line in lines)

    def _line_ends(self) -> List[str]:
        if not any(self._lines_ended.values()):
            return []
        return [f"lines received: {self._lines_ended['LF']:,} ended with LF (nc), {self._lines_ended['CRLF']:,} with "
                "CRLF (telnet, browsers); that both mean the same to the program is not seen here, but by demos.check"]

    def _lines(self) -> List[str]:
        unseen = [f"{count} waits in {name} were not seen: they are not select (--selectors makes them so)"
                  for name, count in sorted(self.unseen.items())]
        if not self.selects:
            return ["select was never called", *unseen]
        slept, turn = self._longest
        count = self._counts.get
        closed, begun = count("closed", 0), sum(count(kind, 0) for kind in ("accepted", "connected", "adopted"))
        waits = sorted("none" if one is None else f"{one:g} s" for one in self._timeouts)
        return [
            f"select called {self.selects:,} times, longest sleep {slept:.1f} s (turn {turn}), time-outs: "
            f"{', '.join(waits[:5])}{' and others' if len(waits) > 5 else ''}",
            self._verdict("never watched for writing with nothing to write", "nothing to write"),
            f"{self._verdict('every rest of a short send offered again', 'short send ignored')} "
            f"({count('partly sent', 0):,} short sends)",
            f"{self._verdict('watching ended at end of file', 'end of file ignored')} "
            f"({count('ended', 0):,} ends of file)",
            self._verdict("nothing closed was given to select", "closed but listed"),
            self._verdict("never spun or polled", "spinning", "polling"),
            f"{self._verdict('only select slept', 'slept')} ({len(self._could_block)} sockets could have blocked)",
            f"third list: {f'used in {self._third:,} calls' if self._third else 'empty'}; "
            f"EAGAIN met: {count('blocked', 0):,}",
            f"{count('accepted', 0):,} accepted, {count('connected', 0):,} connected, "
            f"{max(begun - closed, 0):,} left open; "
            f"{self._bytes['received']:,} bytes received, {self._bytes['sent']:,} sent", *self._line_ends(), *unseen]

    def _verdict(self, good: str, *faults: str) -> str:
        turns = [turn for (what, _), (turn, _) in self.findings.items() if what in faults]
        return f"{good}: {f'no (turn {min(turns)})' if turns else 'yes'}"


_ENDINGS: List[Tuple[Any, str]] = [
    (UnicodeDecodeError, "one client's bytes were not text, or a character was cut in two by recv. Decode whole "
     "messages, and expect what is none"),
    (BlockingIOError, "EAGAIN is an answer, not an error: there is nothing now, ask select again"),
    (ConnectionResetError, "one client's reset ended the service for all: catch OSError and close that one"),
    (BrokenPipeError, "one client left before its answer: catch OSError and close that one"),
    (KeyboardInterrupt, "Ctrl-C is how a server is stopped: catch it where the loop begins"),
]
