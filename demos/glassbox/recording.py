"""A recording, read back: from JSON lines to the events that the loop told, one at a time.

README.md has the grammar.  What comes out is what an observer gets, with three differences: times
count from the beginning of the recording, `head` (the first bytes, escaped) stands beside or in place
of `data`, and there may be a last event `end`.  Nothing is kept but the event at hand, however
long the file is.
"""
from __future__ import annotations

import base64
import io
import json
import os
from functools import lru_cache
from typing import Any, BinaryIO, Dict, Iterator, List, Optional

from reactor.trace import SHOWN, Event, plain

from .grammar import fault

VERSION = 1
FIRST = 1024 * 1024  # bytes of a first line: what is no recording may have no line end for gigabytes


class NotARecording(ValueError):
    """The file is something else, or of a version that is not known here; says where, in one line."""


class Recording:
    """The events of a file that is open for reading in binary; iterate once."""

    def __init__(self, file: BinaryIO, name: str = "the file") -> None:
        self._file = file
        self._name = name
        self._line = 0
        self._reading: List[Any] = []
        self.position = 0  # bytes read so far, of `size`
        self.size = file.seek(0, io.SEEK_END) if file.seekable() else 0
        if self.size:
            file.seek(0)
        self.header = self._parse(self._next(FIRST) or b"")
        if self.header.get("recording") != VERSION:
            raise NotARecording(f"{name} is no recording of version {VERSION}")

    def __iter__(self) -> Iterator[Event]:
        """The events, in order; a last line that was cut off is left out."""
        while True:
            line = self._next()
            if line is None:
                return
            yield self._event(self._parse(line))

    def close(self) -> None:
        """Close the file.  Twice is once."""
        self._file.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _next(self, most: int = -1) -> Optional[bytes]:
        line = self._file.readline(most)
        self.position += len(line)
        self._line += 1
        return line if line.endswith(b"\n") else None

    def _parse(self, line: bytes) -> Dict[str, Any]:
        try:
            parsed = json.loads(line)
            if isinstance(parsed, dict):
                return parsed
        except (ValueError, RecursionError):
            pass  # said below, as for JSON that is no object
        raise NotARecording(f"{self._name} is no recording: line {self._line} is not an object of JSON")

    def _event(self, line: Dict[str, Any]) -> Event:
        wrong, facts = fault(line), line
        if not wrong and "bytes" in facts:
            try:
                facts["data"] = base64.b64decode(facts.pop("bytes"), validate=True)
            except ValueError:
                wrong = "bytes"
        if wrong:
            raise NotARecording(f"{self._name} is no recording: line {self._line} has no good {wrong}")
        time, turn, kind = facts.pop("t"), facts.pop("turn"), facts.pop("event")
        if kind == "turn":
            self._reading = facts.setdefault("reading", self._reading)
        return Event(time, turn, kind, facts)


def escaped(data: Any) -> Optional[str]:
    """The first bytes as text, as `head` of the grammar; None for a part of a file."""
    if isinstance(data, bytes):
        return _escaped(data[:SHOWN])
    return _escaped(bytes(data[:SHOWN])) if isinstance(data, memoryview) else None


@lru_cache(maxsize=256)  # what is sent was often just received, or begins as what was sent before
def _escaped(first: bytes) -> str:
    return repr(first)[2:-1]


def head_of(event: Event) -> Optional[str]:
    """The first bytes of an event, live or recorded, escaped as in a Python literal; None where nobody knows them."""
    facts = event.facts
    if "head" in facts:
        head: Optional[str] = facts["head"]
        return head and plain(head)  # whoever wrote the file
    return escaped(facts.get("data"))


def open_recording(path: str) -> Recording:
    """Open the file; OSError where it cannot be read, NotARecording where it is something else."""
    file = open(path, "rb")
    try:
        return Recording(file, os.path.basename(path))
    except BaseException:
        file.close()
        raise
