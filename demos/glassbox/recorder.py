"""--record: every event as one line of JSON, in the grammar of README.md.

Whoever reads the file while the loop sleeps finds all that has happened.  Where the file cannot be written to
any more, or has reached its limit, the recording ends with one line on stderr, and the loop is not disturbed.
"""
from __future__ import annotations

import base64
import json
import os
import platform
import sys
import time
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Callable, Dict, Optional

from reactor.trace import Event

from .lines import Lines, complain
from .recording import VERSION, escaped

LIMIT = 64 * 1024 * 1024  # bytes of a recording
RESERVE = 400  # of them, for the line that says why it ends
FAR = 1e12  # seconds; JSON has no infinity
compact = json.JSONEncoder(separators=(",", ":")).encode


class Recorder(Lines):
    """An observer that writes to a new file.  OSError where the file cannot be made."""

    def __init__(self, path: str, now: float, *, payloads: bool = False, limit: int = LIMIT) -> None:
        super().__init__()
        self.path = path
        self._began = now
        self._payloads = payloads
        self._limit = limit
        self._left = limit - RESERVE
        self._reading: Any = None  # as the file has it
        self._last = '"t":0,"turn":0'
        self._file: Optional[Any] = open(path, "wb", buffering=0)
        self._lines.append(header(payloads))
        self._write()

    def __call__(self, event: Event) -> None:
        """Take one event; never raises for what happens to the file."""
        if self._file is not None:
            super().__call__(event)

    @property
    def is_over(self) -> bool:
        """True once nothing more is written, for whatever reason."""
        return self._file is None

    def close(self, why: str = "the program ended") -> None:
        """Write what is left, and why this is the end.  Twice is once."""
        if self._file is not None:
            self._write()
            self._end(why)

    # -- lines

    def _line(self, event: Event) -> str:
        facts = event.facts
        rest = _RESTS.get(event.kind, _others)(facts)
        if event.kind == "turn" and facts["reading"] is not self._reading:
            self._reading = facts["reading"]
            rest += f',"reading":{compact(self._reading)}'
        if "due" in facts:
            rest += f',"due":{min(facts["due"] - self._began, FAR):.6f}'
        if self._payloads and "data" in facts:
            rest += _payload(facts)
        self._last = f'"t":{event.time - self._began:.6f},"turn":{event.turn}'
        return f'{{{self._last},"event":"{event.kind}"{rest}}}\n'

    # -- the file

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        data = "".join(lines).encode("ascii")
        if len(data) <= self._left:
            self._left -= len(data)
            self._put(data)
        else:
            why = f"it has reached its limit of {self._limit:,} bytes"
            self._end(why)
            complain(f"the recording {self.path} ends here: {why}")

    def _end(self, why: str) -> None:
        self._put(f'{{{self._last},"event":"end","why":{quoted(why)}}}\n'.encode("ascii"))
        self._stop()

    def _put(self, data: bytes) -> None:
        try:
            while data and self._file is not None:
                data = data[self._file.write(data):]
        except OSError as exc:
            self._stop()
            complain(f"the recording {self.path} ends here: {exc.strerror or exc}")

    def _stop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def header(payloads: bool) -> str:
    """The first line."""
    program = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    return compact({
        "recording": VERSION, "program": program, "arguments": sys.argv[1:],
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(), "platform": sys.platform, "bytes": payloads}) + "\n"


# The events of which there are several a turn have a template of their own: json.dumps would cost as much as the
# whole turn.

def _turn(facts: Dict[str, Any]) -> str:
    timeout, writing = facts["timeout"], facts["writing"]
    return (f',"timeout":{"null" if timeout is None else f"{timeout:.6f}"},"why":{quoted(facts["why"])}'
            f',"writing":{compact(writing) if writing else "[]"}')


def _ready(facts: Dict[str, Any]) -> str:
    readable, writable = facts["readable"], facts["writable"]
    return (f',"readable":[{",".join(map(quoted, readable))}],"writable":[{",".join(map(quoted, writable))}]'
            f',"slept":{facts["slept"]:.6f}')


def _ran(facts: Dict[str, Any]) -> str:
    return f',"callback":{quoted(facts["callback"])},"milliseconds":{facts["milliseconds"]:.6f}'


def _received(facts: Dict[str, Any]) -> str:
    return f',"who":"{facts["who"]}","size":{facts["size"]},"head":{_head(facts["data"])}'


def _sent(facts: Dict[str, Any]) -> str:
    return (f',"who":"{facts["who"]}","offered":{facts["offered"]},"taken":{facts["taken"]},"left":{facts["left"]}'
            f',"head":{_head(facts["data"])}')


def _ended(facts: Dict[str, Any]) -> str:
    return f',"who":"{facts["who"]}"'


def _blocked(facts: Dict[str, Any]) -> str:
    offered = f',"offered":{facts["offered"]}' if "offered" in facts else ""
    return f',"who":"{facts["who"]}","call":"{facts["call"]}"{offered}'


def _others(facts: Dict[str, Any]) -> str:
    kept = {name: min(round(fact, 6), FAR) if isinstance(fact, float) else fact
            for name, fact in facts.items() if name not in ("data", "due")}
    head = f',"head":{_head(facts["data"])}' if "data" in facts else ""
    return "," + compact(kept)[1:-1] + head


_RESTS: Dict[str, Callable[[Dict[str, Any]], str]] = {
    "turn": _turn, "ready": _ready, "ran": _ran, "received": _received, "sent": _sent, "partly sent": _sent,
    "ended": _ended, "blocked": _blocked}


def _head(data: Any) -> str:
    text = escaped(data)
    return "null" if text is None else quoted(text)


def _payload(facts: Dict[str, Any]) -> str:
    data = facts["data"]
    if not isinstance(data, (bytes, memoryview)) or not len(data) or facts.get("taken") == 0:
        return ""
    return f',"bytes":"{base64.b64encode(data[:facts.get("taken", len(data))]).decode("ascii")}"'
