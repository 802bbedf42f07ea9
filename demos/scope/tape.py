"""What the page records: every event from a turn's beginning on, into a temporary file of a bounded size."""
from __future__ import annotations

import os
import tempfile
from typing import BinaryIO, Optional

from reactor import Reactor
from reactor.trace import Event

from ..glassbox.recorder import LIMIT, Recorder
from .snapshot import snapshot


class Tape:
    """One recording at a time; the last one is kept until the next begins, or close()."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._folder: Optional[tempfile.TemporaryDirectory[str]] = None
        self._recorder: Optional[Recorder] = None
        self._waits = False  # for the beginning of a turn

    def begin(self, turn: Optional[Event] = None) -> None:
        """Start a new recording, in place of the last one.  OSError where there is no room for it.

        `turn` is the event that began the present turn, where nothing has happened in it yet; without it the
        recording begins with the next turn.
        """
        self.close()
        self._folder = tempfile.TemporaryDirectory(prefix="scope-")
        self._recorder = Recorder(self._path, self._reactor.time(), limit=LIMIT)
        self._waits = True
        if turn is not None:
            self(turn)

    def __call__(self, event: Event) -> None:
        """Record one event."""
        if self._recorder is None:
            return
        if self._waits:
            if event.kind != "turn":
                return
            self._waits = False
            self._tell_who_is_there(self._recorder, event)
        self._recorder(event)

    def _tell_who_is_there(self, recorder: Recorder, event: Event) -> None:
        for connection in snapshot(self._reactor).open.values():
            facts = {"who": connection.name, "sort": connection.sort, "peer": connection.peer,
                     "server": connection.server, "depth": connection.depth, "states": connection.states,
                     "received": connection.received if connection.begun else None,
                     "sent": connection.sent if connection.begun else None}
            recorder(event._replace(kind="found", facts=facts))

    def end(self) -> None:
        """Record no more.  Twice is once."""
        if self._recorder is not None:
            self._recorder.close("the recording was stopped on the page")

    @property
    def is_on(self) -> bool:
        """True while events are recorded."""
        return self._recorder is not None and not self._recorder.is_over

    @property
    def size(self) -> int:
        """Bytes recorded so far; 0 where somebody has tidied them away."""
        try:
            return 0 if self._recorder is None else os.path.getsize(self._path)
        except FileNotFoundError:
            return 0

    def open(self) -> Optional[BinaryIO]:
        """What was recorded so far; None where nothing was, or somebody has tidied it away."""
        try:
            return None if self._recorder is None else open(self._path, "rb")
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Record no more, and throw away what was recorded.  Twice is once."""
        self.end()
        self._recorder = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @property
    def _path(self) -> str:
        assert self._folder is not None
        return os.path.join(self._folder.name, "recording")
