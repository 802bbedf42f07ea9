"""The client's side of one exchange: a request goes out, a response comes back, the connection ends.

An exchange reports to its receiver: head_received at most once, then
body_received any number of times, then finished exactly once, after which
nothing.  `finished(None)` means that all of the response is there.
"""
from __future__ import annotations

from typing import Iterable, Optional, Protocol as Structural, Sequence, Tuple

from protocols.base import CallLater, Protocol, Transport

from protocols.http.message import CHUNKED, UNTIL_EOF, Headers, ResponseHead
from protocols.http.parser import EndOfMessage, Failure, ResponseParser
from protocols.http.render import request_head
from protocols.http.urls import Url, join_url

MAX_REDIRECTS = 10


class ExchangeError(Exception):
    """The response did not come whole; says why in words."""


class ReadTimeout(ExchangeError):
    """The server sent nothing for as long as the limit allows."""


class RedirectError(Exception):
    """A redirect that is not followed; says why in words."""


class Receiver(Structural):
    """Whom an exchange reports to."""

    def head_received(self, head: ResponseHead) -> None:
        """The head of the final response; 1xx are not reported."""

    def body_received(self, data: bytes) -> None:
        """Some of the body, chunks taken apart."""

    def finished(self, error: Optional[ExchangeError]) -> None:
        """The end: None, or why the response is not whole."""


def request_bytes(method: str, url: Url, fields: Iterable[Tuple[str, str]] = (), body: Optional[bytes] = None,
                  through_proxy: bool = False) -> bytes:
    """One whole request, after which the server is asked to close.

    A field in `fields` takes the place of ours of the same name.  A proxy is told
    the absolute form of the target (RFC 9112 section 3.2.2).
    """
    ours = [("Host", url.authority), ("User-Agent", "see-through-reactor"), ("Accept", "*/*")]
    if body is not None:
        ours.append(("Content-Type", "application/x-www-form-urlencoded"))
    theirs = list(fields)
    replaced = {name.lower() for name, _ in theirs}
    # Host comes first (RFC 9110 section 7.2), whoever sets it.
    pairs = [pair for pair in theirs if pair[0].lower() == "host"]
    pairs += [pair for pair in ours if pair[0].lower() not in replaced]
    pairs += [pair for pair in theirs if pair[0].lower() != "host"]
    if body is not None:
        pairs.append(("Content-Length", str(len(body))))
    pairs.append(("Connection", "close"))
    target = str(url) if through_proxy else url.target
    return request_head(method, target, tuple(pairs)) + (body or b"")


class HttpClient(Protocol):
    """Sends `request`, made by request_bytes(), and reports the response to `receiver`.

    A silence of `read_timeout` seconds ends it with ReadTimeout: never before
    they are over, at the latest after twice as many.
    """

    def __init__(self, request: bytes, receiver: Receiver, *, call_later: CallLater,
                 read_timeout: float = 30.0) -> None:
        self._request = request
        self._receiver = receiver
        self._call_later = call_later
        self._read_timeout = read_timeout
        self._parser = ResponseParser(request.partition(b" ")[0].decode("latin-1"))
        self._done = False
        # Set by whatever arrives, cleared by the timer: a timer for each arrival would cost more than the arrival.
        self._heard = False

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport
        self._timer = self._call_later(self._read_timeout, self._check_silence)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        self._parser.feed(data)
        self._report()

    def eof_received(self) -> Optional[bool]:
        self._parser.feed_eof()
        self._report()
        self._finish(ExchangeError("the server closed the connection without an answer"))
        return False

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        self._timer.cancel()
        self._finish(ExchangeError(f"the connection was lost: {exc}" if exc else "the connection was closed"))

    def cancel(self) -> None:
        """Leave; `finished` is not called any more."""
        self._done = True
        self._transport.abort()

    def _report(self) -> None:
        while not self._done:
            event = self._parser.next_event()
            if event is None:
                return
            if isinstance(event, bytes):
                self._receiver.body_received(event)
            elif isinstance(event, ResponseHead):
                self._receiver.head_received(event)
            elif isinstance(event, EndOfMessage):
                self._finish(None)
            elif isinstance(event, Failure):
                self._finish(ExchangeError(event.reason))

    def _finish(self, error: Optional[ExchangeError]) -> None:
        if not self._done:
            self._done = True
            self._timer.cancel()
            self._transport.close() if error is None else self._transport.abort()
            self._receiver.finished(error)

    def _check_silence(self) -> None:
        if not self._heard:
            self._finish(ReadTimeout(f"nothing came for {self._read_timeout:g} seconds"))
            return
        self._heard = False
        self._timer = self._call_later(self._read_timeout, self._check_silence)


def redirected(url: Url, method: str, head: ResponseHead) -> Optional[Tuple[Url, str]]:
    """Where `head` sends us, and with which method; None where it sends us nowhere.

    A POST that is answered 301, 302 or 303 becomes a GET (RFC 9110 sections 15.4.2
    to 15.4.4); with 307 and 308 everything stays.  Raises RedirectError.
    """
    location = head.headers.get("Location")
    if head.status not in (301, 302, 303, 307, 308) or location is None:
        return None
    try:
        target = join_url(url, location)
    except ValueError as exc:
        raise RedirectError(f"a redirect that cannot be followed: {exc}") from None
    if method != "HEAD" and (head.status == 303 or head.status in (301, 302) and method == "POST"):
        method = "GET"
    return target, method


def check_redirects(steps: Sequence[Tuple[Url, str]]) -> None:
    """Raises RedirectError where the last of `steps` was there before, or where they are too many."""
    if steps[-1] in steps[:-1]:
        raise RedirectError(f"the redirects go in a circle, at {steps[-1][0]}")
    if len(steps) > MAX_REDIRECTS + 1:
        raise RedirectError(f"more than {MAX_REDIRECTS} redirects")


def resumed_at(headers: Headers) -> Optional[Tuple[int, Optional[int]]]:
    """First byte and whole length (None: unknown) of a 206's Content-Range; None where it is not of one range."""
    unit, _, rest = (headers.get("Content-Range") or "").partition(" ")
    where, _, size = rest.partition("/")
    first = where.partition("-")[0]
    if unit.lower() != "bytes" or not _is_number(first) or not (size == "*" or _is_number(size)):
        return None
    return int(first), None if size == "*" else int(size)


def unsatisfied_length(headers: Headers) -> Optional[int]:
    """The whole length that a 416 tells with `Content-Range: bytes */N`, or None."""
    start, _, size = (headers.get("Content-Range") or "").partition("/")
    return int(size) if start.lower() == "bytes *" and _is_number(size) else None


def expected_length(head: ResponseHead) -> Optional[int]:
    """How long the body will be, where the head says so."""
    return None if head.length in (CHUNKED, UNTIL_EOF) else head.length


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
