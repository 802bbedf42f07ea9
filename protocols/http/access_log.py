"""One line for each answer, in the common log format that every log reader knows.

    127.0.0.1 - - [21/Nov/2026:09:58:47 +0000] "GET / HTTP/1.1" 200 1024
"""
from __future__ import annotations

import time
from functools import lru_cache
from typing import Callable, List, Optional

from protocols.base import Address, CallLater
from protocols.http.dates import MONTHS
from protocols.http.message import RequestHead

# Lines are written together: nobody reads faster, and a write for each would cost more than the answer.
PATIENCE = 0.05
TOGETHER = 500

_ESCAPES = {number: f"\\x{number:02x}" for number in (*range(32), *b'"\\', *range(127, 256))}


class AccessLog:
    """A `log` for HttpServer that hands its lines to `write`, many at a time and PATIENCE seconds late at most.

    Once `write` raises OSError (nobody reads any more) there is no more log, and
    the server goes on.
    """

    def __init__(self, write: Callable[[str], object], call_later: CallLater,
                 clock: Callable[[], float] = time.time) -> None:
        self._write: Optional[Callable[[str], object]] = write
        self._call_later = call_later
        self._clock = clock
        self._lines: List[str] = []

    def __call__(self, peer: Address, head: Optional[RequestHead], status: int, size: int) -> None:
        """Note one answer."""
        if not self._lines:
            self._call_later(PATIENCE, self.flush)
        self._lines.append(log_line(peer, head, status, size, self._clock()))
        if len(self._lines) >= TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered."""
        text = "".join(self._lines)
        self._lines.clear()
        if text and self._write is not None:
            try:
                self._write(text)
            except OSError:
                self._write = None


def log_line(peer: Address, head: Optional[RequestHead], status: int, size: int, now: float) -> str:
    """One line with its end.  Quotes, backslashes, control and non-ASCII characters become `\\xHH`."""
    host = peer[0] if isinstance(peer, tuple) else "-"
    return f'{host} - - [{_moment(int(now))}] "{_request_line(head)}" {status} {size or "-"}\n'


@lru_cache(maxsize=64)
def _request_line(head: Optional[RequestHead]) -> str:
    if head is None:
        return "-"
    return f"{head.method} {head.target} HTTP/{head.version[0]}.{head.version[1]}".translate(_ESCAPES)


@lru_cache(maxsize=4)
def _moment(second: int) -> str:
    """The local time; month names do not depend on the locale."""
    moment = time.localtime(second)
    sign, offset = "-" if moment.tm_gmtoff < 0 else "+", abs(moment.tm_gmtoff) // 60
    return (f"{moment.tm_mday:02}/{MONTHS[moment.tm_mon - 1]}/{moment.tm_year}:"
            f"{moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02} {sign}{offset // 60:02}{offset % 60:02}")
