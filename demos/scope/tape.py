"""What the page records: every event from the beginning of a turn on, into a temporary file of a bounded size."""
from __future__ import annotations

import os
import tempfile
from typing import BinaryIO, Callable, Optional

from reactor.trace import Event

from ..glassbox.recorder import LIMIT, Recorder


class Tape:
    """One recording at a time; the last one is kept until the next begins, or close()."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._folder: Optional[tempfile.TemporaryDirectory[str]] = None
        self._recorder: Optional[Recorder] = None
        self._waits = False  # for the beginning of a turn

    def begin(self) -> None:
        """Start a new recording, in place of the last one.  OSError where there is no room for it."""
        self.close()
        self._folder = tempfile.TemporaryDirectory(prefix="scope-")
        self._recorder = Recorder(self._path, self._clock(), limit=LIMIT)
        self._waits = True

    def __call__(self, event: Event) -> None:
        """Record one event."""
        if self._waits:
            if event.kind != "turn":
                return
            self._waits = False
        if self._recorder is not None:
            self._recorder(event)

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
        """Bytes recorded so far."""
        return 0 if self._recorder is None else os.path.getsize(self._path)

    def open(self) -> Optional[BinaryIO]:
        """What was recorded so far; None where nothing was."""
        return None if self._recorder is None else open(self._path, "rb")

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
