"""--record: every event as one line of JSON, in the grammar of README.md.

Whoever reads the file while the loop sleeps finds all that has happened.  Where the file cannot be written to
any more, or has reached its limit, the recording ends with one line on stderr, and the loop is not disturbed.
"""
from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import platform
import sys
import time
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Dict, Iterable, Optional

from reactor.trace import SENTENCES, SHOWN, Event

from .grammar import FAR
from .lines import Lines, Say, complain
from .recording import VERSION, escaped

LIMIT = 64 * 1024 * 1024  # bytes of a recording
RESERVE = 400  # of them, for the line that says why it ends
compact = json.JSONEncoder(separators=(",", ":")).encode


class Recorder(Lines):
    """An observer that writes to a new file.  OSError where the file cannot be made."""

    def __init__(self, path: str, now: float, *, payloads: bool = False, limit: int = LIMIT) -> None:
        says = {**_SAYS, "turn": self._turn}
        super().__init__(now, _others, {kind: _with_bytes(says.get(kind, _others)) for kind in SENTENCES}
                         if payloads else says)
        self.path = path
        self._limit = limit
        self._left = limit - RESERVE
        self._reading: Any = None  # as the file has it
        self._file: Optional[Any] = open(path, "wb", buffering=0, opener=_unhurried)
        self._write(header(payloads))

    def _turn(self, event: Event, began: float) -> str:
        when, turn, kind, facts = event
        timeout, writing, reading = facts["timeout"], facts["writing"], ""
        if facts["reading"] is not self._reading:
            self._reading = facts["reading"]
            reading = f',"reading":{compact(self._reading)}'
        return (f'{{"t":{when - began:.6f},"turn":{turn},"event":"{kind}",'
                f'"timeout":{"null" if timeout is None else f"{timeout:.6f}"},"why":{quoted(facts["why"])},'
                f'"writing":{compact(writing) if writing else "[]"}{reading}}}\n')

    # -- the file

    @property
    def is_over(self) -> bool:
        """True once nothing more is written, for whatever reason."""
        return self._file is None

    def close(self, why: str = "the program ended") -> None:
        """Write what is left, and why this is the end.  Twice is once."""
        self.flush()
        if self._file is not None:
            self._end(why)

    def _write(self, lines: str) -> None:
        if self._file is None:
            return
        data = lines.encode("ascii")
        fits = len(data) if len(data) <= self._left else data.rfind(b"\n", 0, max(self._left, 0)) + 1
        self._left -= fits
        self._put(data[:fits])
        if fits < len(data) and self._file is not None:
            why = f"it has reached its limit of {self._limit:,} bytes"
            self._end(why)
            complain(f"the recording {self.path} ends here: {why}")

    def _end(self, why: str) -> None:
        self._put(_others(self._last._replace(kind="end", facts={"why": why}), self._began).encode("ascii"))
        self._stop()

    def _put(self, data: bytes) -> None:
        try:
            while data and self._file is not None:
                taken = self._file.write(data)
                if taken is None:
                    raise BlockingIOError(errno.EAGAIN, "whoever reads it is too slow")
                data = data[taken:]
        except OSError as exc:
            self._stop()
            complain(f"the recording {self.path} ends here: {exc.strerror or exc}")

    def _stop(self) -> None:
        self._say, self._says = _nothing, {}
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # nothing is left to be written
                file.close()


def _nothing(event: Event, began: float) -> str:
    return ""


def _unhurried(path: str, flags: int) -> int:
    # A pipe that is full, or that nobody has opened yet, must not keep the loop waiting.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)


def header(payloads: bool) -> str:
    """The first line."""
    program = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    return compact({
        "recording": VERSION, "program": program, "arguments": sys.argv[1:],
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(), "platform": sys.platform, "bytes": payloads}) + "\n"


# The events of which there are several a turn have a template of their own: json.dumps would cost as much as the
# whole turn.

def _ready(event: Event, began: float) -> str:
    when, turn, kind, facts = event
    return (f'{{"t":{when - began:.6f},"turn":{turn},"event":"{kind}","readable":[{_texts(facts["readable"])}],'
            f'"writable":[{_texts(facts["writable"])}],"slept":{facts["slept"]:.6f}}}\n')


def _texts(names: Iterable[str]) -> str:
    return ",".join(map(quoted, names))


def _ran(event: Event, began: float) -> str:
    when, turn, kind, facts = event
    return (f'{{"t":{when - began:.6f},"turn":{turn},"event":"{kind}","callback":{quoted(facts["callback"])},'
            f'"milliseconds":{facts["milliseconds"]:.6f}}}\n')


def _received(event: Event, began: float) -> str:
    when, turn, kind, facts = event
    return (f'{{"t":{when - began:.6f},"turn":{turn},"event":"{kind}","who":"{facts["who"]}",'
            f'"size":{facts["size"]},"head":{_head(facts["data"])}}}\n')


def _sent(event: Event, began: float) -> str:
    when, turn, kind, facts = event
    return (f'{{"t":{when - began:.6f},"turn":{turn},"event":"{kind}","who":"{facts["who"]}",'
            f'"offered":{facts["offered"]},"taken":{facts["taken"]},"left":{facts["left"]},'
            f'"head":{_head(facts["data"])}}}\n')


def _others(event: Event, began: float) -> str:
    when, turn, kind, facts = event
    kept = {name: facts[name] for name in _KEPT.get(kind, facts) if name in facts}
    if "data" in kept:
        kept["head"] = escaped(kept.pop("data"))
    if "due" in kept:
        kept["due"] -= began
    for name, fact in kept.items():
        if isinstance(fact, float):
            kept[name] = round(max(-FAR, min(fact, FAR)), 6)
    return f'{{"t":{when - began:.6f},"turn":{turn},"event":"{kind}",{compact(kept)[1:]}\n'


_SAYS: Dict[str, Say] = {"ready": _ready, "ran": _ran, "received": _received, "sent": _sent, "partly sent": _sent}
# Of these kinds the loop tells more than the grammar has.
_KEPT = {"ended": ("who",), "blocked": ("who", "call", "offered")}


def _with_bytes(say: Say) -> Say:
    return lambda event, began: say(event, began)[:-2] + _payload(event.facts) + "}\n"


def _head(data: Any) -> str:
    if isinstance(data, bytes):
        return _quoted_head(data[:SHOWN])
    return _quoted_head(bytes(data[:SHOWN])) if isinstance(data, memoryview) else "null"


@lru_cache(maxsize=256)  # what is sent was often just received, or begins as what was sent before
def _quoted_head(first: bytes) -> str:
    return quoted(escaped(first) or "")


def _payload(facts: Dict[str, Any]) -> str:
    data = facts.get("data")
    if not isinstance(data, (bytes, memoryview)) or not len(data) or facts.get("taken") == 0:
        return ""
    return f',"bytes":"{base64.b64encode(data[:facts.get("taken", len(data))]).decode("ascii")}"'
