"""The sans-I/O parser: bytes in, events out.  Knows no transport, no clock and no application.

    parser.feed(data)
    event = parser.next_event()     # None: not before there is more data

1. A message is one head, any number of pieces of its body, one EndOfMessage.
   Then the next message begins, whose bytes may have arrived long before.
2. How the bytes were cut changes nothing but the borders between the pieces of a body.
3. A Failure is the last event.  Nothing that follows it is looked at, since
   where a next message would begin cannot be known any more.
4. Nothing raises, and what is kept unread is bounded by the limits in heads.py
   as long as events are asked for until None.

The life of a message, as a table of states, is at the end of this file.
"""
from __future__ import annotations

import re
from typing import Callable, Dict, Optional, Union

from protocols.http.heads import (MAX_FIELD_BYTES, MAX_LINE, MAX_REMEMBERED_BYTES, BadMessage, known_requests,
                                  parse_request, parse_response, parse_trailers)
from protocols.http.message import CHUNKED, UNTIL_EOF, Headers, RequestHead, ResponseHead

# Where the parser stands in a message.
HEAD, SIZED, TO_EOF, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILERS, END, FAILED = (
    "HEAD", "SIZED", "TO_EOF", "CHUNK_SIZE", "CHUNK_DATA", "CHUNK_END", "TRAILERS", "END", "FAILED")

# Extensions may follow a size; nobody uses them, and their length is an attack that has a number (CVE-2023-39326).
MAX_CHUNK_LINE = 1024

_EMPTY_LINES = re.compile(rb"(?:\r?\n)*")
# int() would take '+5', '1_0' and ' 5'.  Only CRLF ends this line: the liberty of section 2.2 is for heads.
_IS_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~\x80-\xff]*)?\r\n").fullmatch
_TOKEN_BYTES = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class EndOfMessage:
    """The message is whole.  `trailers` are the fields behind the last chunk."""

    __slots__ = ("trailers",)

    def __init__(self, trailers: Headers = Headers()) -> None:
        self.trailers = trailers

    def __repr__(self) -> str:
        return f"<EndOfMessage {self.trailers!r}>"


class Failure:
    """The message is refused: `status` is the answer to give, `reason` why.  Close the connection behind it.

    `answers_head` is true where the request was HEAD, so that the answer must have no body.
    """

    __slots__ = ("status", "reason", "answers_head")

    def __init__(self, status: int, reason: str, answers_head: bool = False) -> None:
        self.status = status
        self.reason = reason
        self.answers_head = answers_head

    def __repr__(self) -> str:
        return f"<Failure {self.status} {self.reason}>"


Event = Union[RequestHead, ResponseHead, bytes, EndOfMessage, Failure]

_END_WITHOUT_TRAILERS = EndOfMessage()


class Parser:
    """What requests and responses have in common: the buffer, and the bodies."""

    __slots__ = ("_buffer", "_at", "_searched", "_state", "_left", "_room", "_max_body", "_is_head", "_eof")

    def __init__(self, max_body: Optional[int] = None) -> None:
        self._buffer = b""
        # Bytes before this index have been given out as events.
        self._at = 0
        # No end of a head, or of a line of chunks, lies before this index.
        self._searched = 0
        self._state = HEAD
        # Bytes that are still to come of a sized body, or of this chunk.
        self._left = 0
        self._max_body = max_body
        # Bytes that a chunked body may still have.
        self._room = max_body
        self._is_head = False
        self._eof = False

    def feed(self, data: bytes) -> None:
        """Take what arrived; never refuses, never raises."""
        if self._state is FAILED:
            return
        if self._at == len(self._buffer):
            self._buffer = data
            self._searched = 0
        else:
            self._buffer = self._buffer[self._at:] + data
            self._searched = max(0, self._searched - self._at)
        self._at = 0

    def feed_eof(self) -> None:
        """The peer sends no more.  An event may follow: the end of a body, or the failure of half a message."""
        self._eof = True

    @property
    def between_messages(self) -> bool:
        """True while no byte of a message has been fed that is not yet given out."""
        return self._state is HEAD and self._at == len(self._buffer)

    @property
    def in_head(self) -> bool:
        """True from the first byte of a head to its last."""
        return self._state is HEAD and self._at < len(self._buffer)

    def next_event(self) -> Optional[Event]:
        """The next event, or None until more has been fed."""
        try:
            while True:
                state = self._state
                event = _READERS[state](self)
                if event is not None:
                    return event
                if self._state is state:
                    return self._end_of_input() if self._eof else None
        except BadMessage as bad:
            self._state = FAILED
            self._buffer = b""
            self._at = 0
            return Failure(bad.status, bad.reason, self._is_head)

    def _end_of_input(self) -> Optional[Event]:
        if self._state is TO_EOF:
            self._state = END
            return self.next_event()
        if self._state is FAILED or self.between_messages:
            return None
        raise BadMessage(400, "the input ends in the middle of a message")

    def _read_head(self) -> Optional[Event]:
        raise NotImplementedError

    def _head_block(self, max_line_status: int = 414) -> Optional[bytes]:
        """The bytes up to and with the blank line, taken from the buffer; None while it is not there."""
        buffer = self._buffer
        start = self._at
        if start == len(buffer):
            return None
        if buffer[start:start + 1] in (b"\r", b"\n"):
            # Some clients send an empty line too much behind a body (section 2.2).
            start = self._at = _EMPTY_LINES.match(buffer, start).end()  # type: ignore[union-attr]
        self._is_head = buffer.startswith(b"HEAD ", start)
        if start < len(buffer) and buffer[start] not in _TOKEN_BYTES and buffer[start:] != b"\r":
            raise BadMessage(400, "this is not HTTP")
        found = _blank_line(buffer, max(start, self._searched - 2))
        end = found or len(buffer)
        line_end = buffer.find(b"\n", start, end)
        if (line_end if line_end >= 0 else end) - start > MAX_LINE:
            raise BadMessage(max_line_status, f"the first line is longer than {MAX_LINE} bytes")
        if line_end >= 0 and end - line_end > MAX_FIELD_BYTES:
            raise BadMessage(431, f"the header fields are longer than {MAX_FIELD_BYTES} bytes")
        if not found:
            self._searched = end
            return None
        self._at = end
        return buffer[start:end]

    def _begin_body(self, length: int) -> None:
        self._state = _AFTER_HEAD.get(length, SIZED)
        self._left = length
        self._room = self._max_body
        if self._max_body is not None and length > self._max_body:
            raise BadMessage(413, f"the body is longer than {self._max_body} bytes")

    def _take(self) -> bytes:
        """As much of what is left of the body as is there, perhaps nothing."""
        buffer = self._buffer
        piece = buffer[self._at:self._at + self._left]
        self._at += len(piece)
        self._left -= len(piece)
        return piece

    def _read_sized(self) -> Optional[Event]:
        piece = self._take()
        if not self._left:
            self._state = END
        return piece or None

    def _read_to_eof(self) -> Optional[Event]:
        piece = self._buffer[self._at:]
        self._at = len(self._buffer)
        return piece or None

    def _read_chunk_size(self) -> Optional[Event]:
        line = self._chunk_line()
        if line is None:
            return None
        match = _IS_CHUNK_LINE(line)
        if match is None:
            raise BadMessage(400, "a bad chunk size")
        size = int(match[1], 16)
        if self._room is not None:
            self._room -= size
            if self._room < 0:
                raise BadMessage(413, f"the body is longer than {self._max_body} bytes")
        self._left = size
        self._state = CHUNK_DATA if size else TRAILERS
        return None

    def _chunk_line(self) -> Optional[bytes]:
        """One line with its end, taken from the buffer; None while its end is not there."""
        start = self._at
        end = self._buffer.find(b"\n", start, start + MAX_CHUNK_LINE) + 1
        if end:
            self._at = end
            return self._buffer[start:end]
        if len(self._buffer) - start >= MAX_CHUNK_LINE:
            raise BadMessage(400, f"a chunk line is longer than {MAX_CHUNK_LINE} bytes")
        return None

    def _read_chunk_data(self) -> Optional[Event]:
        piece = self._take()
        if not self._left:
            self._state = CHUNK_END
        return piece or None

    def _read_chunk_end(self) -> Optional[Event]:
        end = self._buffer[self._at:self._at + 2]
        if not b"\r\n".startswith(end):
            raise BadMessage(400, "a chunk does not end where it said")
        if len(end) == 2:
            self._at += 2
            self._state = CHUNK_SIZE
        return None

    def _read_trailers(self) -> Optional[Event]:
        """Section 7.1.2: fields as in a head, then an empty line; nearly always the empty line alone."""
        buffer, start = self._buffer, self._at
        if buffer.startswith(b"\r\n", start):
            end = start + 2
        else:
            end = buffer.find(b"\r\n\r\n", max(start, self._searched - 3)) + 4
        if (end if end > 3 else len(buffer)) - start > MAX_FIELD_BYTES:
            raise BadMessage(431, f"the trailer fields are longer than {MAX_FIELD_BYTES} bytes")
        if end == 3:
            self._searched = len(buffer)
            return None
        self._at = end
        self._state = HEAD
        return EndOfMessage(parse_trailers(buffer[start:end]))

    def _read_end(self) -> Optional[Event]:
        self._state = HEAD
        return _END_WITHOUT_TRAILERS

    def _read_nothing(self) -> Optional[Event]:
        return None


def _blank_line(buffer: bytes, start: int) -> int:
    """The index behind the first empty line, or 0.  Two searches in C, each several times as fast as one pattern."""
    with_cr = buffer.find(b"\n\r\n", start)
    without = buffer.find(b"\n\n", start, with_cr + 1 or len(buffer))
    if without >= 0:
        return without + 2
    return 0 if with_cr < 0 else with_cr + 3


def _sound_request(data: bytes) -> Optional[RequestHead]:
    """The head that `data` is; None for half of one, for two, and for one that the long way has to refuse."""
    if len(data) <= MAX_REMEMBERED_BYTES and data.endswith(b"\n\r\n"):
        try:
            return parse_request(data)
        except BadMessage:
            pass
    return None


class RequestParser(Parser):
    """For a server.  A body longer than `max_body`, in bytes or a function of the head, is a Failure with 413."""

    __slots__ = ("_most",)

    def __init__(self, max_body: Union[int, Callable[[RequestHead], int], None] = None) -> None:
        super().__init__(None if callable(max_body) else max_body)
        self._most = max_body if callable(max_body) else None

    def whole_request(self, data: bytes) -> Optional[RequestHead]:
        """The request that `data` is from its first byte to its last, if it is sound and has no body.

        A short cut for the commonest case: with an answer other than None
        nothing needs to be fed, and no event follows.
        """
        if self._state is HEAD and self._at == len(self._buffer):
            head = known_requests.get(data) or _sound_request(data)
            if head is not None and not head.length:
                return head
        return None

    def _read_head(self) -> Optional[Event]:
        block = self._head_block()
        if block is None:
            return None
        head = parse_request(block)
        if self._most is not None:
            self._max_body = self._most(head)
        self._begin_body(head.length)
        return head


class ResponseParser(Parser):
    """For a client.  Informational responses (1xx) are skipped."""

    __slots__ = ("method",)

    def __init__(self, method: str = "GET", max_body: Optional[int] = None) -> None:
        super().__init__(max_body)
        #: Which request the next head answers: there is no body behind the answer to HEAD.
        self.method = method

    def _read_head(self) -> Optional[Event]:
        while True:
            block = self._head_block(431)
            if block is None:
                return None
            head = parse_response(block, self.method)
            if head.status == 101:
                raise BadMessage(400, "a change of protocol that was not asked for")
            if head.status >= 200:
                self._begin_body(head.length)
                return head


# What follows a head, by its length.  Any other number of bytes: SIZED.
_AFTER_HEAD = {0: END, CHUNKED: CHUNK_SIZE, UNTIL_EOF: TO_EOF}

# Who reads in which state, and what the state may become besides FAILED.
_READERS: Dict[str, Callable[[Parser], Optional[Event]]] = {
    HEAD: lambda parser: parser._read_head(),   # END, SIZED, TO_EOF, CHUNK_SIZE
    SIZED: Parser._read_sized,                  # END
    TO_EOF: Parser._read_to_eof,                # END, by feed_eof()
    CHUNK_SIZE: Parser._read_chunk_size,        # CHUNK_DATA, TRAILERS
    CHUNK_DATA: Parser._read_chunk_data,        # CHUNK_END
    CHUNK_END: Parser._read_chunk_end,          # CHUNK_SIZE
    TRAILERS: Parser._read_trailers,            # HEAD
    END: Parser._read_end,                      # HEAD
    FAILED: Parser._read_nothing,
}
