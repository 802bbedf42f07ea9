"""What the loop tells about itself: each thing that can happen, and its sentence.

`loop.observer` is called with one Event at a time, in the order in which things happen, on the
loop's thread.  While it is None no event is even made: the glass box costs one `if` a line.
A connection is `#5` for its whole life.  str(event) is the sentence.
"""
from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Tuple

SENTENCES = {
    # The turn: what select is asked, what it answers, what is run because of it.
    "asked": "turn {turn}: select waits {patience}; for reading: {reading}; for writing: {writing}",
    "ready": "turn {turn}: ready: {ready}",
    "ran": "ran {callback} in {milliseconds:.3f} ms",
    "raised": "{callback} raised {error}",
    # Coming and going.
    "listening": "{who} listens on {address}",
    "accepted": "{who} accepted {connection} from {peer}",
    "full": "{who} has {connections} connections and accepts no more until one ends",
    "connecting": "{who} connects to {address}",
    "connected": "{who} is connected to {where} and goes on as {connection}",
    "half-closed": "{who} half-closed: we send no more",
    "closed": "{who} closed: {why}",
    # Bytes.  "blocked" is EAGAIN: an answer, not an error.
    "received": "{who} recv: {size:,} bytes {head!r}",
    "ended": "{who} recv: end of file, the peer sends no more",
    "sent": "{who} send: the kernel took all {taken:,} bytes",
    "partly sent": "{who} send: offered {offered:,}, the kernel took {taken:,}, {left:,} still ours",
    "blocked": "{who} send: offered {offered:,}, the kernel says not now (EAGAIN)",
    "dropped": "{who} drops a datagram of {size:,} bytes: too many are queued",
    # Flow control.
    "reading paused": "{who} paused reading",
    "reading resumed": "{who} resumed reading",
    "writing paused": "{who} paused its protocol's writing: {queued:,} bytes are queued",
    "writing resumed": "{who} resumed its protocol's writing: {queued:,} bytes are queued",
}


class Event(NamedTuple):
    """One thing that happened: its kind (a key of SENTENCES) and the facts that its sentence needs."""

    kind: str
    facts: Dict[str, Any]

    def __str__(self) -> str:
        return SENTENCES[self.kind].format(**self.facts)


def listed(watched: List[Tuple[str, str]]) -> str:
    """Who is watched, each with the reason."""
    return ", ".join(f"{who} ({why})" for who, why in watched) or "nobody"
