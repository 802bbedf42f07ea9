"""HttpServer: one connection of an HTTP/1.1 server.

1. Requests are answered in the order of arrival, one at a time.  While an
   answer is being made or sent, or while the peer does not read, nothing more
   is parsed; at most one more read is kept, then reading is paused.
2. Answers to requests that arrived together leave in one write.
3. Bodies are asked for their next piece only while no more than PIECE bytes are
   queued: that number is both water marks of the transport.  No body keeps the
   loop for longer than PIECES of its pieces at a time.
4. Whatever is refused is answered, and ends the connection: write, then
   close(), which delivers.
5. Time costs a request one look at the clock.  One timer for each connection
   fires now and then, compares, and is set again; it is never set for longer
   than the shortest limit, so it is never late for a limit that began meanwhile.
"""
from __future__ import annotations

import logging
import math
import time as clocks
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

from protocols.base import Address, CallLater, Protocol, Transport
from protocols.http.message import (CHUNKED, UNTIL_EOF, Application, FileSlice, Headers, Later, Pairs,
                                    Request, RequestHead, Response, Stream, text_response)
from protocols.http.parser import EndOfMessage, Failure, RequestParser
from protocols.http.render import (CONTINUE, PIECE, WITHOUT_BODY, chunked, counted, response_head, sliced, without)

# How many pieces of a body are sent before other connections get their turn.
PIECES = 16
# How many heads, ends and pieces of requests: one read can bring ten thousand requests.
EVENTS = 1000

# Whom the answer to a request without a readable head is made for.
_NOBODY = RequestHead("GET", "", "", "", (1, 1), Headers(), "", 0, False, False)
_NOBODY_HEAD = RequestHead("HEAD", "", "", "", (1, 1), Headers(), "", 0, False, False)
#: Called behind each answer: the peer, the head of the request (None if unreadable), the status, bytes of body.
Log = Callable[[Address, Optional[RequestHead], int, int], None]

_logger = logging.getLogger("protocols.http")


@dataclass(frozen=True)
class Limits:
    """How much, in bytes, and how long, in seconds, a client is borne.  The limits of heads are in heads.py."""

    #: A number, or what tells it from the head of a request: who may send much need not be everybody.
    body: Union[int, Callable[[RequestHead], int]] = 1024 * 1024
    #: From the first byte of a head to its last; between two arrivals of a body.  Then 408.
    head_time: float = 20.0
    #: Between an answer and the next request.
    idle_time: float = 15.0
    #: Without the peer taking a byte of what is queued.
    write_time: float = 30.0


class HttpServer(Protocol):
    """One connection: feeds requests to `application`, and its responses to the transport.

    `call_later` is the loop's; `time` any clock that goes forward, `wall_time` the Unix time.
    """

    __slots__ = ("_application", "_call_later", "_time", "_wall_time", "_limits", "_log", "_transport", "_peername",
                 "_parser", "_head", "_body", "_out", "_collected", "_later", "_response", "_outgoing", "_closes",
                 "_sent", "_serving", "_busy", "_paused", "_reading", "_closing", "_eof", "_pump_set",
                 "_answered", "_since", "_timer", "_written", "_queued", "_taken", "_taken_at")

    def __init__(self, application: Application, *, call_later: CallLater,
                 time: Callable[[], float] = clocks.monotonic, wall_time: Callable[[], float] = clocks.time,
                 limits: Limits = Limits(), log: Optional[Log] = None) -> None:
        self._application = application
        self._call_later = call_later
        self._time = time
        self._wall_time = wall_time
        self._limits = limits
        self._log = log
        self._parser = RequestParser(limits.body)
        # The request that is being read or answered.
        self._head = _NOBODY
        self._body = bytearray()
        # What has been answered and not yet written.
        self._out: List[bytes] = []
        self._collected = 0
        # The answer that is being made, or the one that is being sent.
        self._later: Optional[Later] = None
        self._response: Optional[Response] = None
        self._outgoing: Optional[Iterator[bytes]] = None
        self._closes = False
        self._sent = 0
        self._serving = False
        # Set while an answer is made or sent: the next request must wait.
        self._busy = False
        # Set between pause_writing and resume_writing.
        self._paused = False
        self._reading = True
        # Set with the last answer of this connection.
        self._closing = False
        self._eof = False
        self._pump_set = False
        self._answered = False
        # When what we are waiting for began.
        self._since = 0.0
        # What was queued when last looked at; what the kernel had taken, and since when.
        self._written = 0
        self._queued = 0
        self._taken = 0
        self._taken_at = 0.0

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport
        self._peername = transport.get_extra_info("peername")
        transport.set_write_buffer_limits(high=PIECE, low=PIECE)
        self._since = self._time()
        self._timer = self._call_later(self._shortest_limit(), self._check_time)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._busy or self._paused:
            self._parser.feed(data)
            self._pause_reading()
            return
        head = self._parser.whole_request(data)
        if head is None:
            if not self._parser.in_head:
                self._since = self._time()
            self._parser.feed(data)
            self._serve()
        else:
            self._since = self._time()
            self._head = head
            self._answer(Request(head, b"", self._peername))
            if self._out or self._closing:  # rarely: an answer that stands alone was written by _send()
                self._flush()
                self._settle()

    def eof_received(self) -> Optional[bool]:
        """Half-closed is not gone: what was asked before is answered."""
        self._eof = True
        self._parser.feed_eof()
        self._serve()
        return not self._transport.is_closing()

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        self._closing = True
        self._timer.cancel()
        if self._later is not None:
            self._later.cancel()
        self._release()

    def pause_writing(self) -> None:
        self._paused = True
        self._taken = self._written - self._transport.get_write_buffer_size()
        self._taken_at = self._time()

    def resume_writing(self) -> None:
        self._paused = False
        self._since = self._time()
        if self._outgoing is not None:
            self._pump()
        else:
            self._serve()

    # Requests

    def _serve(self) -> None:
        """Answer what has arrived, as far as answers go out; then write them."""
        if self._serving:
            return
        self._serving = True
        left = EVENTS
        while not (self._busy or self._paused or self._closing):
            if not left:
                self._let_others_first()
                break
            left -= 1
            event = self._parser.next_event()
            if event is None:
                break
            _HANDLERS[type(event)](self, event)
        self._serving = False
        self._flush()
        self._settle()

    def _let_others_first(self) -> None:
        self._busy = True
        self._pause_reading()
        self._call_later(0, self._go_on)

    def _go_on(self) -> None:
        self._busy = False
        self._serve()

    def _settle(self) -> None:
        """Close, or read on, if nothing is being answered any more."""
        if self._busy or self._paused and not self._closing:
            return
        if self._closing or self._eof:
            self._closing = True
            self._transport.close()
        elif not self._reading:
            self._reading = True
            self._transport.resume_reading()

    def _pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._transport.pause_reading()

    def _on_head(self, head: RequestHead) -> None:
        self._head = head
        self._since = self._time()
        if head.expects_continue and head.length:
            self._collect(CONTINUE)

    def _on_data(self, data: bytes) -> None:
        self._body += data

    def _on_end(self, end: EndOfMessage) -> None:
        body = bytes(self._body)
        self._body.clear()
        self._answer(Request(self._head, body, self._peername))

    def _on_failure(self, failure: Failure) -> None:
        self._refuse(failure.status, failure.reason, _NOBODY_HEAD if failure.answers_head else _NOBODY)

    def _refuse(self, status: int, reason: str, head: RequestHead) -> None:
        self._head = head
        self._closing = True
        self._send(text_response(reason + "\n", status, (("Connection", "close"),)))

    # Answers

    def _answer(self, request: Request) -> None:
        try:
            answer = self._application(request)
            if isinstance(answer, Later):
                self._busy = True
                self._later = answer
                answer.deliver_to(self._deliver)
            else:
                self._send(answer)
        except Exception:
            self._application_failed()

    def _deliver(self, response: Response) -> None:
        """The answer that was waited for."""
        self._later = None
        self._busy = False
        self._since = self._time()
        try:
            self._send(response)
        except Exception:
            self._application_failed()
        self._serve()

    def _application_failed(self) -> None:
        _logger.exception("the application failed on %s %s", self._head.method, self._head.target)
        self._release()
        self._refuse(500, "the application failed", self._head)

    def _send(self, response: Response) -> None:
        """Raises whatever is wrong with `response` before a byte of it is sent."""
        body = response.body
        if not isinstance(body, bytes):
            if not isinstance(body, (FileSlice, Stream)):
                raise TypeError(f"a body is bytes, a FileSlice or a Stream, not {body!r}")
            self._response = response
            if not isinstance(body, FileSlice) or body.count > PIECE:
                self._send_in_pieces(response, body)
                return
            body = b"".join(sliced(body))
            self._release()
        head = self._head
        prefix, closes = response_head(response.status, response.headers, len(body), head.connection,
                                       int(self._wall_time()))
        if head.method == "HEAD" or response.status in WITHOUT_BODY:
            body = b""
        self._end_exchange(response.status, len(body), closes)  # first: who has the answer may look at the log
        if self._serving:
            self._collect(prefix + body)
        else:
            self._write(prefix + body)

    def _send_in_pieces(self, response: Response, body: Union[FileSlice, Stream]) -> None:
        """A long file, or a stream: the head now, the body as the peer takes it."""
        head = self._head
        headers, length, outgoing = _framed(response.headers, body, head)
        connection = "close" if length == UNTIL_EOF else head.connection
        prefix, closes = response_head(response.status, headers, length, connection, int(self._wall_time()))
        self._collect(prefix)
        write_file = getattr(self._transport, "write_file", None)
        if head.method == "HEAD" or response.status in WITHOUT_BODY:
            self._release()
            self._end_exchange(response.status, 0, closes)
        elif isinstance(body, FileSlice) and write_file is not None:
            self._flush()
            self._written += body.count
            write_file(body.file, body.offset, body.count)
            self._release()
            self._end_exchange(response.status, body.count, closes)
        else:
            self._busy = True
            self._closes = closes
            self._outgoing = outgoing
            if isinstance(body, Stream):
                body.wake = self._pump_soon
            self._pump()

    def _collect(self, data: bytes) -> None:
        """Write `data` with what else is answered now, but never hold back more than PIECE bytes."""
        self._out.append(data)
        self._collected += len(data)
        if self._collected >= PIECE:
            self._flush()

    def _flush(self) -> None:
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            self._collected = 0
            self._write(data)

    def _write(self, data: bytes) -> None:
        self._written += len(data)
        self._transport.write(data)

    def _pump(self) -> None:
        """Send what the body has to give now.  Called too early, or too late, it does nothing."""
        if self._outgoing is None or self._paused:
            return
        for _ in range(PIECES):
            try:
                piece = next(self._outgoing)
            except StopIteration:
                self._finish_body()
                return
            except Exception:
                self._give_up()
                return
            self._sent += len(piece)
            self._collect(piece)
            if self._paused or not piece:
                break
        self._flush()
        if piece and not self._paused:
            self._pump_soon()

    def _pump_soon(self) -> None:
        """In the next turn, so that a body whose peer is fast keeps nobody waiting; and once, however often asked."""
        if not self._pump_set:
            self._pump_set = True
            self._call_later(0, self._pump_now)

    def _pump_now(self) -> None:
        self._pump_set = False
        self._pump()

    def _finish_body(self) -> None:
        assert self._response is not None
        status, sent = self._response.status, self._sent
        self._busy = False
        self._release()
        self._since = self._time()
        self._end_exchange(status, sent, self._closes)
        self._serve()

    def _give_up(self) -> None:
        """Half a body is out: only an abort tells the client that the rest will not come."""
        _logger.warning("the body of %s %s failed", self._head.method, self._head.target, exc_info=True)
        self._transport.abort()
        self._closing = True
        self._release()

    def _release(self) -> None:
        """Close the body that is being sent, if any: once, and for good."""
        response, self._response, self._outgoing, self._sent = self._response, None, None, 0
        if response is not None:
            response.close()

    def _end_exchange(self, status: int, sent: int, closes: bool) -> None:
        self._answered = True
        if closes:
            self._closing = True
        if self._log is not None:
            try:
                self._log(self._peername, self._head if self._head.target else None, status, sent)
            except Exception:
                _logger.exception("the log of requests failed")

    # Time

    def _shortest_limit(self) -> float:
        limits = self._limits
        return min(limits.head_time, limits.idle_time, limits.write_time)

    def _check_time(self) -> None:
        now = self._time()
        deadline = self._deadline(now)
        if deadline <= now:
            self._expire()
        if not self._transport.is_closing() or self._transport.get_write_buffer_size():
            wait = min(max(deadline - now, 0), self._shortest_limit())
            self._timer = self._call_later(wait, self._check_time)

    def _deadline(self, now: float) -> float:
        """When to lose patience if nothing happens until then."""
        queued = self._transport.get_write_buffer_size()
        if (queued or self._queued) and self._parser.between_messages:
            # The idle time of a slow reader begins when it has the whole answer.
            self._since = now
        self._queued = queued
        if queued:
            if self._taken != self._written - queued:
                self._taken = self._written - queued
                self._taken_at = now
            return self._taken_at + self._limits.write_time
        if self._busy or self._closing:
            return math.inf
        idle = self._parser.between_messages and self._answered
        return self._since + (self._limits.idle_time if idle else self._limits.head_time)

    def _expire(self) -> None:
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        elif self._parser.between_messages:
            self._closing = True
            self._transport.close()
        else:
            self._refuse(408, "the request did not arrive in time", _NOBODY)
            self._serve()


def _framed(headers: Pairs, body: Union[FileSlice, Stream], head: RequestHead) -> Tuple[Pairs, int, Iterator[bytes]]:
    """The headers without Content-Length, what the length is, and the pieces as they go over the wire."""
    if isinstance(body, FileSlice):
        return headers, body.count, sliced(body)
    headers, declared = without(headers, "content-length")
    if declared:
        return headers, int(declared[0]), counted(body, int(declared[0]))
    if head.version == (1, 1):
        return headers, CHUNKED, chunked(body, "trailers" in (head.headers.get("te") or ""))
    return headers, UNTIL_EOF, body.pieces


_HANDLERS: Dict[type, Callable[[HttpServer, Any], None]] = {
    RequestHead: HttpServer._on_head,
    bytes: HttpServer._on_data,
    EndOfMessage: HttpServer._on_end,
    Failure: HttpServer._on_failure,
}
