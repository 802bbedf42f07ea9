"""One request, one reply, both a line of text: what the small text protocols have in common."""
from __future__ import annotations

from typing import Optional

from .base import CallLater, Cancellable, Protocol, Transport
from .lines import LineBuffer, LineTooLong

# The clients of the course texts send `John` or `Date`, without any newline, and
# wait for the answer.  Nothing in a stream says that such a request has ended, so
# this is a guess: nothing more came for so long.  Shorter would split what a slow
# network or a person delivers in pieces, longer would keep the client waiting.
SILENCE = 0.5

# Time for a peer to read our last words while it still sends.  Closing a socket
# with unread input resets the connection, and a reset can overtake those words.
LINGER = 2.0
# Requests answered in one go: one read can bring a hundred thousand, and meanwhile nobody else is served.
MOST = 1000


class RequestReply(Protocol):
    """Answer each request in turn; a subclass says how, in `answer`.

    A request ends at LF or CRLF, at end of input, or after `SILENCE` seconds in
    which nothing more of it arrived.  Each reply ends with CRLF.  A line above the
    limit of `LineBuffer` gets one message and ends the conversation.

    While writing is paused no request is answered and nothing is read.  After MOST requests in one go the others
    get their turn first.
    """

    __slots__ = ("_call_later", "_lines", "_wait", "_linger", "_paused", "_transport")

    def __init__(self, *, call_later: CallLater) -> None:
        self._call_later = call_later
        self._lines = LineBuffer()
        self._wait: Optional[Cancellable] = None  # runs only while a request is pending: for its end, or for its turn
        self._linger: Optional[Cancellable] = None
        self._paused = False

    def answer(self, request: bytes) -> Optional[bytes]:
        """The reply to `request`, both without line ending.  None ends the conversation without a reply.

        The bytes of a request are whatever a client sent: perhaps none, perhaps not UTF-8.
        """
        raise NotImplementedError

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._stop_waiting()
        self._lines.feed(data)
        self._answer_lines()

    def eof_received(self) -> None:
        self._stop_waiting()
        if self._lines.pending:
            self._answer_rest()

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        self._stop_waiting()
        if self._linger is not None:
            self._linger.cancel()

    def pause_writing(self) -> None:
        self._paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        self._transport.resume_reading()
        self._answer_lines()

    def _answer_lines(self) -> None:
        try:
            for answered, request in enumerate(self._lines, 1):
                self._reply(request)
                if self._paused or self._transport.is_closing():
                    return
                if answered == MOST:
                    self._transport.pause_reading()
                    self._wait = self._call_later(0, self._go_on)
                    return
        except LineTooLong as exc:
            self._transport.write(b"%s; goodbye\r\n" % str(exc).encode())
            self._end()
        if self._lines.pending:
            self._wait = self._call_later(SILENCE, self._answer_rest)

    def _go_on(self) -> None:
        self._wait = None
        self._transport.resume_reading()
        self._answer_lines()

    def _answer_rest(self) -> None:
        self._wait = None
        self._reply(self._lines.take_rest())

    def _reply(self, request: bytes) -> None:
        reply = self.answer(request)
        if reply is None:
            self._end()
        else:
            self._transport.write(reply + b"\r\n")

    def _end(self) -> None:
        self._lines.discard()
        self._transport.write_eof()
        self._linger = self._call_later(LINGER, self._transport.close)

    def _stop_waiting(self) -> None:
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None
