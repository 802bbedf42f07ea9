"""Whom to watch this time: most turns of a busy loop look only at those that were ready lately.

select costs what is watched, not what is busy: with 900 idle connections among 910, nearly all of a turn
goes into asking about sockets that have nothing to say.  So between two full looks, which ask about
everybody, the loop takes quick looks at the working set: the sockets found ready by one of the last
few full looks, all that wait to write, and the urgent ones (listeners and the wake-up socket).

Nobody starves.  A quick look that finds nobody is followed by a full one in the same turn, before any sleep;
and after QUICK_LOOKS turns or PATIENCE seconds the next look is full, whatever the busy ones do.
Below MANY sockets none of this happens: a full look is cheap there, and simpler to watch.
"""
from __future__ import annotations

from typing import Container, Dict, List, Optional, Sequence, Set

MANY = 64  # watched for reading; below that there is nothing to gain
QUICK_LOOKS = 32  # turns until the next full look, at most
PATIENCE = 0.001  # seconds until then, at most
MEMORY = 8  # full looks after which a socket that was not ready in any is cold


class WorkingSet:
    """The policy and its memory: descriptor numbers, which are hints and never more."""

    def __init__(self) -> None:
        self.urgent: Set[int] = set()  # part of every look
        self._seen: Dict[int, int] = {}  # in which full look each was last ready
        self._full_looks = 0
        self._left = 0
        self._until = 0.0
        self._busy: List[int] = []
        self._basis: Optional[List[int]] = None  # for which list of all those watched that was made

    def quick(self, reading: List[int], watched: Container[int], now: float) -> List[int]:
        """Whom to ask about in a quick look; nobody when it is time for a full one."""
        self._left -= 1
        if self._left < 0 or now >= self._until:
            return []
        if reading is not self._basis:
            self._basis = reading
            self._busy = [fd for fd in (*self._seen, *self.urgent) if fd in watched]
        return self._busy

    def note(self, ready: Sequence[int], now: float) -> None:
        """A full look found these."""
        self._full_looks += 1
        for fd in ready:
            self._seen[fd] = self._full_looks
        oldest = self._full_looks - MEMORY
        self._seen = {fd: look for fd, look in self._seen.items() if look > oldest and fd not in self.urgent}
        self._basis = None
        self._left = QUICK_LOOKS
        self._until = now + PATIENCE
