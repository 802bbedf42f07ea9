"""Two kinds of client for protocols of text: a conversation of lines, and a connection for each request."""
from __future__ import annotations

from typing import Callable, Optional

from protocols.base import Cancellable, Protocol, Transport
from protocols.lines import LineBuffer, LineTooLong
from protocols.request_reply import SILENCE

from .console import LONGEST_LINE, Console


class Conversation(Protocol):
    """Ask for a line, send it, print the reply, and again; all on one connection.

    A reply ends as a request does: at LF or CRLF, at the end of the stream, or after `SILENCE` seconds with
    something pending, since the servers of the course texts put no newline after it.  With `until_empty`, an empty
    line of input ends the conversation.
    """

    def __init__(self, console: Console, *, label: str = "", until_empty: bool = False) -> None:
        self._console = console
        self._label = label.encode()
        self._until_empty = until_empty
        self._replies = LineBuffer(LONGEST_LINE)
        self._silence: Optional[Cancellable] = None
        self._owed = False

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport
        self._console.ask(self._send)

    def _send(self, line: Optional[bytes]) -> None:
        if line is None or (self._until_empty and not line):
            if line is not None:
                self._transport.write(b"\n")  # a session of lines ends so
            self._console.finish(0)
        else:
            self._owed = True
            self._transport.write(line + b"\n")

    def data_received(self, data: bytes) -> None:
        self._stop_silence()
        self._replies.feed(data)
        try:
            for reply in self._replies:
                self._show(reply)
        except LineTooLong as exc:
            self._console.finish(1, f"the server: {exc}")
        if self._replies.pending:
            self._silence = self._console.reactor.call_later(SILENCE, self._show_rest)

    def _show_rest(self) -> None:
        self._silence = None
        self._show(self._replies.take_rest())

    def _show(self, reply: bytes) -> None:
        self._console.write(self._label + reply + b"\n")
        if self._owed:
            self._owed = False
            self._console.ask(self._send)

    def _stop_silence(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        self._stop_silence()
        if self._replies.pending:
            self._show_rest()
        if self._owed:
            self._console.finish(1, "the server went away and owes an answer")
        else:
            self._console.finish(0, "the server closed the connection")


class Exchange(Protocol):
    """Send one request, half-close, and hand over the reply when the server closes too; b"" where there was none.

    The end of the stream frames both, so that this works with servers that know newlines and with those of the
    course texts, which take whatever one recv returns.
    """

    def __init__(self, request: bytes, done: Callable[[bytes], object], *, longest: int = LONGEST_LINE) -> None:
        self._request = request
        self._done = done
        self._longest = longest
        self._reply = b""

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport
        transport.write(self._request)
        transport.write_eof()

    def data_received(self, data: bytes) -> None:
        self._reply += data
        if len(self._reply) > self._longest:
            self._transport.abort()

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        self._done(self._reply)
