"""Events in words: what --trace prints, and replay after it.

The sentences are those of reactor/trace.py, each cut into who and what.  Those about select are longer
here: who is watched for the same reason is said together, long lists are shortened, and names of methods
become words.
"""
from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from reactor.trace import SENTENCES, SHOWN, Count, Event, Words, in_bytes, plain

from .recording import head_of

MOST_NAMES = 6  # said for one reason; and as many reasons
LOOP = "loop"  # who, where it is nobody in particular

_SENTENCES = {kind: re.sub(r"^(\{who\}|turn \{turn\}:) ", "", sentence) for kind, sentence in SENTENCES.items()}
_SENTENCES.update({
    "quick look": "only the {busy} that were busy lately were looked at, of {all}",
    "end": "the recording ends here: {why}",
})


def who(event: Event) -> str:
    """Whom an event is about, in a word."""
    facts = event.facts
    name: Optional[str] = facts.get("who")
    if name is None:
        name = called(facts["callback"])[0] if "callback" in facts else LOOP
    return name


def what(event: Event) -> str:
    """What happened, without saying to whom."""
    say = _SAID.get(event.kind)
    return plain(_SENTENCES[event.kind].format_map(Words(event))) if say is None else say(event)


def concerned(event: Event) -> Set[str]:
    """The names of all the endpoints that an event is about; none where it is about the loop as a whole."""
    facts = event.facts
    found = {who(event), *facts.get("readable", ()), *facts.get("writable", ())} - {LOOP}
    return found | {facts["connection"]} if "connection" in facts else found


@lru_cache(maxsize=1000)
def called(callback: str) -> Tuple[str, str]:
    """Whose a callback is, and what it is called: `IdleLimit._look of #6` is #6's `idle limit look`."""
    found = re.match(r"(#\d+) (\w+)$", callback)
    if found:
        return found[1], found[2]
    name, _, owner = plain(callback).partition(" of #")
    found = re.match(r"([A-Z]\w*)\.(\w+)$", name)
    if found:
        kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", found[1]).lower()
        name = f"{kind} {found[2].strip('_').replace('_', ' ')}"
    return f"#{owner}" if owner else LOOP, name


def listed(members: Sequence[str]) -> str:
    """`#5, #6, #7 and 98 more`."""
    more = len(members) - MOST_NAMES
    return ", ".join(members[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


# -- select, in words

def _turn(event: Event) -> str:
    facts = event.facts
    writing = f"; to write: {_reasons(facts['writing'])}" if facts["writing"] else ""
    return (f"select waits for {_reading(facts['reading']) or 'nobody'}{writing}; "
            f"{_patience(facts['timeout'], facts['why'])}")


def _patience(timeout: Optional[float], why: str) -> str:
    if timeout is None:
        return "for as long as it takes"
    if why.startswith("next timer: "):
        owner, name = called(why[len("next timer: "):])
        return f"next timer: {name}{'' if owner == LOOP else ' of ' + owner} in {timeout:.3f} s"
    return f"at most {timeout:.3f} s ({why})" if timeout else f"without sleeping ({why})"


def _reasons(watched: Sequence[Sequence[str]]) -> str:
    by_reason: Dict[str, List[str]] = {}
    for name, reason in watched:
        by_reason.setdefault(reason, []).append(name)
    said = [f"{listed(names)} ({reason})" for reason, names in islice(by_reason.items(), MOST_NAMES)]
    more = sum(map(len, islice(by_reason.values(), MOST_NAMES, None)))
    return plain(", ".join(said)) + (f" and {more} more" if more else "")


class _Reading:
    """Says the list of readers; the same list again costs nothing, and it is the same until somebody comes or goes."""

    def __init__(self) -> None:
        self._said: Any = None
        self._words = ""

    def __call__(self, watched: Any) -> str:
        if watched is not self._said:
            self._said, self._words = watched, _reasons(watched)
        return self._words


_reading = _Reading()


def _ready(event: Event) -> str:
    facts = event.facts
    both = ((facts["readable"], "readable"), (facts["writable"], "writable"))
    answer = "; ".join([f"{listed(names)} {how}" for names, how in both if names])
    return f"select answered after {facts['slept']:.3f} s: {answer or 'nobody is ready'}"


# -- what a recording says for itself

def _found(event: Event) -> str:
    facts = event.facts
    queued = f", {in_bytes(facts['depth'])} queued" if facts["depth"] else ""
    return f"was there before: a {facts['sort']}, {', '.join(facts['states'])}{queued}"


# -- callbacks, bytes and addresses, in words.  Those of which there are several a turn are written out: to fill in
# the sentence of the core, which is the same, takes twice as long.

def _ran(event: Event) -> str:
    facts = event.facts
    return f"ran {called(facts['callback'])[1]} in {facts['milliseconds']:.3f} ms"


def _received(event: Event) -> str:
    size = event.facts["size"]
    return f"recv: {in_bytes(size)} {_head(event, size)}"


def _sent(event: Event) -> str:
    facts = event.facts
    return f"send: the kernel took all {in_bytes(facts['taken'])} {_head(event, facts['offered'])}"


def _callback(event: Event) -> str:
    return plain(_SENTENCES[event.kind].format_map(dict(event.facts, callback=called(event.facts["callback"])[1])))


def _datagram(event: Event) -> str:
    facts = event.facts
    peer = plain(":".join(map(str, facts["peer"][:2]))) if facts["peer"] else "its peer"
    return _SENTENCES[event.kind].format_map({
        "size": Count(facts["size"]), "head": _head(event, facts["size"]), "peer": peer})


def _head(event: Event, size: int) -> str:
    head = head_of(event)
    return "of a file" if head is None else f"'{head}' ..." if size > SHOWN else f"'{head}'"


_SAID: Dict[str, Callable[[Event], str]] = {
    "turn": _turn, "ready": _ready, "found": _found, "ran": _ran, "received": _received, "sent": _sent,
    "datagram received": _datagram, "datagram sent": _datagram,
    **dict.fromkeys(("raised", "timer set", "timer fired", "timer cancelled"), _callback)}
