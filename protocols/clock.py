"""The clock: what day, what time, or both."""
from __future__ import annotations

from datetime import datetime
from typing import Callable, Mapping

from .base import CallLater
from .request_reply import RequestReply

OPTIONS: Mapping[str, Callable[[datetime], object]] = {
    "date": datetime.date,
    "time": lambda now: now.time().replace(microsecond=0),
    "date and time": str,
    "dateandtime": str,
}


class Clock(RequestReply):
    """Answer `Date`, `Time` and `Date and Time` (or `DateAndTime`) from `now()`, in any letter case.

    Anything else comes back in capitals after `UNKNOWN OPTION: `; of that, bytes
    that are not UTF-8 come back as they are.
    """

    __slots__ = ("_now",)

    def __init__(self, *, call_later: CallLater, now: Callable[[], datetime]) -> None:
        super().__init__(call_later=call_later)
        self._now = now

    def answer(self, request: bytes) -> bytes:
        text = request.decode("utf-8", "surrogateescape")
        tell = OPTIONS.get(" ".join(text.split()).casefold())
        reply = f"UNKNOWN OPTION: {text.upper()}" if tell is None else str(tell(self._now()))
        return reply.encode("utf-8", "surrogateescape")
