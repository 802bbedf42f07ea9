"""Events in words: what --trace prints, and replay after it.

The sentences are those of reactor/trace.py, each cut into who and what.  Those about select are longer
here: who is watched for the same reason is said together, long lists are shortened, and names of methods
become words.
"""
from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from reactor.trace import SENTENCES, SHOWN, Event

from .recording import head_of

MOST_NAMES = 6  # said for one reason
LOOP = "loop"  # who, where it is nobody in particular

_SENTENCES = {kind: re.sub(r"^(\{who\}|turn \{turn\}:) ", "", sentence) for kind, sentence in SENTENCES.items()}
_SENTENCES.update({
    "turn": "select waits for {reading}{writing}; {patience}",
    "ready": "select answered after {slept:.3f} s: {answer}",
    "quick look": "only the {busy} that were busy lately were looked at, of {all}",
    "found": "was there before, and is {standing}",
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
    more = _MORE.get(event.kind)
    return _SENTENCES[event.kind].format_map(event.facts if more is None else more(event))


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
    name, _, owner = callback.partition(" of #")
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

def _turn(event: Event) -> Dict[str, str]:
    facts = event.facts
    return {"reading": _reading(facts["reading"]) or "nobody",
            "writing": f"; to write: {_reasons(facts['writing'])}" if facts["writing"] else "",
            "patience": _patience(facts["timeout"], facts["why"])}


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
    return ", ".join(f"{listed(names)} ({reason})" for reason, names in by_reason.items())


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


def _ready(event: Event) -> Dict[str, Any]:
    facts = event.facts
    both = ((facts["readable"], "readable"), (facts["writable"], "writable"))
    answer = "; ".join(f"{listed(names)} {how}" for names, how in both if names)
    return {"slept": facts["slept"], "answer": answer or "nobody is ready"}


# -- what a recording says for itself

def _found(event: Event) -> Dict[str, str]:
    facts = event.facts
    queued = f", {facts['depth']:,} bytes queued" if facts["depth"] else ""
    return {"standing": f"a {facts['sort']}, {', '.join(facts['states'])}{queued}"}


# -- callbacks, bytes and addresses, in words

def _callback(event: Event) -> Dict[str, Any]:
    return dict(event.facts, callback=called(event.facts["callback"])[1])


def _received(event: Event) -> Dict[str, Any]:
    size = event.facts["size"]
    return {"size": size, "head": _head(event, size)}


def _sent(event: Event) -> Dict[str, Any]:
    facts = event.facts
    return {"taken": facts["taken"], "head": _head(event, facts["offered"])}


def _datagram(event: Event) -> Dict[str, Any]:
    peer = event.facts["peer"]
    return dict(_received(event), peer=":".join(map(str, peer[:2])) if peer else "its peer")


def _head(event: Event, size: int) -> str:
    head = head_of(event)
    return "of a file" if head is None else f"'{head}' ..." if size > SHOWN else f"'{head}'"


_MORE: Dict[str, Callable[[Event], Dict[str, Any]]] = {
    "turn": _turn, "ready": _ready, "found": _found, "received": _received, "sent": _sent,
    "datagram received": _datagram, "datagram sent": _datagram,
    "ran": _callback, "raised": _callback,
    "timer set": _callback, "timer fired": _callback, "timer cancelled": _callback}
